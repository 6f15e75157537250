/**
 * Users by the thousand and one at a time: real processes, the real command, files on disk. Hashes are
 * made cheaply, because none of this is about hashing.
 */
import { createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decided, password, startFleet, textOf, until } from './fleet.js';
import { createUsersRig, readObjects } from './users-rig.js';

t.setTimeout(300_000);

const django = (secret: string, iterations = 1): string => {
  const salt = randomBytes(9).toString('hex');
  const digest = pbkdf2Sync(secret, salt, iterations, 32, 'sha256').toString('base64');
  return `pbkdf2_sha256$${iterations}$${salt}$${digest}`;
};
const header = { type: 'header', version: 1, source: 'test' };
const ndjson = (rows: readonly (object | string)[]): string =>
  rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');

const signer = randomBytes(64).toString('base64');

/** The project of Firebase's own example, whose export is among the samples. */
const publicSigner =
  'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';

/** One fleet for all of it: starting one costs more than everything that is asked of it. */
const setUp = async (t: Test) => {
  const env = { PASSWORD_KEYS: `fb1:${signer},fb2:${publicSigner}` };
  const fleet = await startFleet(t, { nodes: 2, edges: 1, env });
  const rig = createUsersRig(fleet);
  const file = (name: string, text: string | Buffer): string => {
    const path = join(fleet.dir, name);
    writeFileSync(path, text);
    return path;
  };
  const signIn = (username: string, secret = password) =>
    decided(() => fleet.login(username, secret));
  return { fleet, ...rig, file, signIn };
};

type Rig = Awaited<ReturnType<typeof setUp>>;

/** Files that a process has open although nobody finds them any more. */
const openWithoutName = (pid: number | undefined): string[] => {
  try {
    const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return fds.filter((path) => path.endsWith('/users (deleted)'));
  } catch {
    return [];
  }
};

/** What comes from stdin has every hash of the table in it. */
const killWithoutTrace = async (t: Test, { fleet, start }: Rig, text: string) => {
  const TMPDIR = join(fleet.dir, 'tmp');
  mkdirSync(TMPDIR);
  const { child, done } = start(['import', '-'], text, { TMPDIR });
  await until('stdin is read', () => openWithoutName(child.pid).length > 0, 60_000);
  t.strictSame(readdirSync(TMPDIR), []);
  child.kill('SIGKILL');
  t.match(await done, { code: 'SIGKILL' });
  t.strictSame(readdirSync(TMPDIR), [], 'nothing stays behind');
};

const importOnce = async (t: Test, rig: Rig) => {
  const { fleet, users, usersWith, file, signIn } = rig;
  const people = Array.from({ length: 700 }, (_, at) => ({
    id: `p${at}`,
    login: `Person${at}@example.org`,
    hash: django(`${password}${at}`),
  }));
  const probe = { id: 'p7', password: `${password}7` };
  const path = file('people.ndjson', ndjson([{ ...header, probe }, ...people]));

  await killWithoutTrace(t, rig, readFileSync(path, 'utf8'));
  t.match(await users('import', path, '--commit'), { code: 1, err: /no dry run/ });
  const dry = await users('import', path);
  t.match(dry, { code: 0, out: /good +700/ });
  t.equal((await signIn('person7@example.org', `${password}7`)).status, 401, 'nothing is written');

  const results = join(fleet.dir, 'results');
  t.match(await users('import', path, '--commit', '--results', results), {
    code: 0,
    out: /good +700/,
  });
  const lines = readObjects(results);
  t.strictSame(
    lines.map(({ line }) => line),
    people.map((_, at) => at + 2),
    'one result for each line, in order',
  );
  t.match(lines[698], { line: 700, id: 'p698', ok: true });
  t.equal(statSync(results).mode & 0o077, 0, 'for nobody else');
  const session = await signIn('person7@example.org', `${password}7`);
  t.match(session, { status: 200, body: { user_id: 'p7' } });

  t.match(await users('import', path, '--commit'), { code: 0, out: /good +700/ }, 'once more');
  const changed = file('changed.ndjson', ndjson([header, { ...people[7], hash: django('other') }]));
  const digest =
    /Digest of this dry run: (\w+)/.exec((await users('import', changed)).out)?.[1] ?? '';
  t.match(await users('import', changed, '--commit'), { code: 2, out: /E_CONFLICT/ });
  t.equal((await signIn('person7@example.org', `${password}7`)).status, 200, 'left as it was');
  const text = readFileSync(changed, 'utf8');
  t.match(await usersWith(text, 'import', '-', '--commit', '--digest', digest), { code: 2 });
  t.match(await usersWith(`${text}\n{}`, 'import', '-', '--commit', '--digest', digest), {
    code: 1,
    err: /not the file/,
  });
  writeFileSync(changed, ndjson([header, { ...people[8], hash: django('other') }]));
  t.match(await users('import', changed, '--commit'), { code: 1, err: /has changed/ });

  const wrong = file(
    'wrong.ndjson',
    ndjson([{ ...header, probe: { ...probe, password: 'no' } }, ...people]),
  );
  t.match(await users('import', wrong), { code: 1, err: /probe does not match/ });
  const absent = file(
    'absent.ndjson',
    ndjson([{ ...header, probe: { id: 'x', password } }, ...people]),
  );
  t.match(await users('import', absent), { code: 1, err: /probe is not in the file/ });
  t.end();
};

const firebase = (key: string, separator: string): string =>
  `$firescrypt$ln=14,r=8,p=1$c2FsdHNhbHQ=$${randomBytes(64).toString('base64')}$${separator}$${key}`;

const showCodes = async (t: Test, { fleet, users, file }: Rig) => {
  await fleet.importUser('there', django(password));
  const md5 = '8743b52063cd84097a65d1633f5c74f5';
  const secret = randomBytes(64).toString('base64');
  const good = { login: 'first', id: 'one', hash: django(password) };
  const cases: [string | object | Buffer, ...string[]][] = [
    [good],
    ['{"login":', 'E_JSON'],
    [`{"login":"${'x'.repeat(66_000)}"}`, 'E_LINE_TOO_LONG'],
    [Buffer.from('{"login":"\xff"}', 'latin1'), 'E_ENCODING'],
    [{ id: 'two', hash: md5 }, 'E_FIELD_MISSING'],
    [{ login: 5, hash: 7, other: 1 }, 'E_FIELD_TYPE', 'E_FIELD_TYPE', 'E_FIELD_TYPE'],
    [{ ...good, login: 'second' }, 'E_DUPLICATE_ID'],
    [{ ...good, login: 'FIRST', id: 'three' }, 'E_DUPLICATE_LOGIN'],
    [{ login: 'a1', hash: 'what is this' }, 'E_FORMAT_UNKNOWN'],
    [{ login: 'a2', hash: md5 }, 'E_FORMAT_AMBIGUOUS'],
    [{ login: 'a3', hash: django(password), format: 'sha-crypt' }, 'E_FORMAT_MISMATCH'],
    [{ login: 'a4', hash: '$2b$10$tooshort' }, 'E_HASH_MALFORMED'],
    [{ login: 'a5', hash: `${django(password).slice(0, -10)}A=` }, 'E_HASH_LENGTH'],
    [{ login: 'a6', format: 'digest', alg: 'md5', hash: { b64: 'not base64' } }, 'E_BASE64'],
    [{ login: 'a7', hash: django(password).replace('$1$', '$1000000000$') }, 'E_PARAM_LIMIT'],
    [{ login: 'a8', format: 'salted-digest', alg: 'md5', hash: `${md5}:s` }, 'E_PARAM_RANGE'],
    [
      { login: 'a9', format: 'firebase-scrypt-kratos', hash: firebase(secret, 'Bw==') },
      'E_KEY_UNKNOWN',
      'E_SECRET_IN_ROW',
    ],
    [
      { login: 'b1', format: 'firebase-scrypt-kratos', hash: firebase(signer, 'Bw==') },
      'E_SECRET_IN_ROW',
    ],
    [{ login: 'b2', hash: `{noop}${password}` }, 'E_PLAINTEXT'],
    [{ login: 'b3', hash: null }, 'E_UNUSABLE'],
    [{ login: 'there', hash: django(password) }, 'E_CONFLICT'],
    [{ login: 'b4', format: 'digest', alg: 'md5', hash: '$wrap1$x' }, 'E_ALREADY_WRAPPED'],
    [{ login: 'b5', hash: { hex: md5 }, format: 'digest', alg: 'md5' }],
  ];
  const bytes = cases.map(([row]) =>
    Buffer.isBuffer(row) ? row : Buffer.from(typeof row === 'string' ? row : JSON.stringify(row)),
  );
  const lines = [Buffer.from(JSON.stringify(header)), ...bytes];
  const path = file('codes', Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])));
  const results = join(fleet.dir, 'results');
  const checkResults = (what: string) => {
    const found = readObjects(results).map(({ code, also }) => [
      ...(code === undefined ? [] : [code]),
      ...(Array.isArray(also) ? also.map((each) => each.code) : []),
    ]);
    t.strictSame(
      found,
      cases.map(([, ...codes]) => codes),
      what,
    );
    const text = readFileSync(results, 'utf8');
    for (const secretText of [md5, signer, secret, password]) t.notOk(text.includes(secretText));
  };
  t.match(await users('import', path, '--results', results), { code: 2, out: /failed +19/ });
  checkResults('dry run');
  t.match(readObjects(results)[9], { candidates: ['digest', 'nthash', 'django-digest'] });
  t.match(readObjects(results)[11], { message: /leaves it at character 8\. Its length is 15\./ });
  t.match(await users('import', path, '--commit', '--results', results), {
    code: 2,
    out: /good +4/,
  });
  checkResults('written');
  const shown = await users('show', '--login', 'B1', '--json');
  t.match(JSON.parse(shown.out), { name: 'b1', format: 'own', class: /[AB]/, status: 'active' });
  const exported = await users('export', '-', '--with-hashes');
  t.notOk(exported.out.includes(signer), 'the secret has left its row');
  t.match(exported.out, /"login":"b1".*,k(ey)?=fb1/);
};

const importExport = async (t: Test, { fleet, start, users, file, signIn }: Rig) => {
  const probe = { login: 'Fire@example.org', password: 'user1password' };
  const keys = { old: 'env-b64:OLD_SIGNER' };
  const fromHeader = file('header.json', JSON.stringify({ ...header, keys, probe }));
  const path = 'ops/test/samples/firebase.json';
  const options = ['--source', 'firebase', '--set', 'key=old', '--header', fromHeader];
  const args = ['import', path, ...options, '--state', join(fleet.dir, 'firebase-state')];
  t.match(await users(...args), { code: 1, err: /keys\.old/ });
  const env = { OLD_SIGNER: publicSigner };
  t.match(await start(args, '', env).done, { code: 0, out: /good +2/ });
  t.match(await start([...args, '--commit'], '', env).done, { code: 0, out: /good +2/ });
  t.equal((await signIn('fire@example.org', 'user1password')).status, 200);
  const wrong = [...args, '--set', 'rounds=7'];
  t.match(await start(wrong, '', env).done, { code: 1, err: /probe does not match/ });
};

const killAndResume = async (t: Test, { fleet, start, users, file }: Rig) => {
  const hash = django(password);
  const people = Array.from({ length: 8000 }, (_, at) => ({ id: `k${at}`, login: `k${at}`, hash }));
  const path = file('many.ndjson', ndjson([header, ...people]));
  const state = `${path}.import-state.json`;
  const through = () => Number(JSON.parse(readFileSync(state, 'utf8')).written?.through ?? 0);
  t.match(await users('import', path), { code: 0 });

  const results = join(fleet.dir, 'many-results');
  const resume = ['import', path, '--commit', '--resume', '--results', results];
  const first = start(resume);
  const written = () => (existsSync(results) ? statSync(results).size : 0);
  await until('some are written', () => written() > 20_000, 60_000);
  first.child.kill('SIGKILL');
  t.match(await first.done, { code: 'SIGKILL' });
  t.match(await users('import', path, '--commit'), {
    code: 1,
    err: /stopped after line \d+: .*--resume/,
  });
  const second = start(resume);
  const before = through();
  await until('it goes on', () => through() > before, 60_000);
  fleet.nodes[0]?.child.kill('SIGKILL');
  t.match(await second.done, { code: 0, out: /good +8,000/ });
  const lines = readObjects(results);
  t.strictSame(
    lines.map(({ line }) => line),
    people.map((_, at) => at + 2),
    'each line once',
  );

  const out = await users('export', '-', '--with-hashes');
  const rows = out.out.split('\n').filter((row) => row.startsWith('{"id":"k'));
  t.equal(rows.length, 8000, 'nobody is lost or doubled');
  t.equal(new Set(rows.map((row) => JSON.parse(row).id)).size, 8000);
  t.match(await users('export', '-'), { out: /"format":"pbkdf2-django"/ });
};

const importOne = async (t: Test, { fleet, signIn }: Rig) => {
  const secret = 'Amélie Poulain';
  const md5 = createHash('md5').update(`pepper${secret}`).digest('hex');
  const user = { username: 'amelie', hash: `md5$pepper$${md5}` };
  const add = (more: object) => decided(() => fleet.admin('POST', '/users', { ...user, ...more }));
  const refused = async (more: object, error_description: RegExp) =>
    t.match(await add(more), { status: 400, body: { error: 'bad_request', error_description } });
  await refused({}, /hash means different things/);
  await refused({ format: 'sha-crypt' }, /hash /);
  await refused({ hash: '!' }, /without a usable password/);
  await refused({ hash: django(password), format: 'sha-crypt' }, /format is not valid/);
  await refused({ format: 'django-digest', norm: 'nfd' }, /norm is not valid/);
  const format = 'django-digest';
  t.match(await add({ format, norm: 'nfc', user_id: 'am-1' }), {
    status: 201,
    body: { user_id: 'am-1', username: 'amelie' },
  });
  t.equal((await add({ format, user_id: 'am-1' })).status, 409, 'the name is taken');
  t.equal((await add({ format, user_id: 'am-1', username: 'ben' })).status, 409, 'the id is taken');
  t.equal((await signIn('amelie', secret.normalize('NFD'))).status, 200);
};

const oneByOne = async (t: Test, { fleet, users, usersWith, file, signIn }: Rig) => {
  await fleet.register('own.user');
  const ada = { id: 'ada', login: 'Ada', hash: django(password), scopes: 'account read' };
  const path = file('one.ndjson', ndjson([header, ada, { login: 'none', hash: null }]));
  await users('import', path);
  t.match(await users('import', path, '--commit'), { code: 0 });

  t.match(await users('show', 'ada'), { code: 0, out: /status +active/ });
  t.match(await users('show', '--login', 'ADA', '--json'), { out: /"format": "pbkdf2-django"/ });
  t.match(await users('show', 'nobody'), { code: 1, err: /No such user/ });
  const token = textOf(await signIn('ada'), 'access_token');
  t.match(await users('scopes', 'ada', 'account read write'), { code: 0 });
  t.match(JSON.parse((await users('show', '--login', 'ada', '--json')).out), {
    scopes: 'account read write',
  });

  t.match(await usersWith('short\n', 'set-password', 'ada'), { code: 1, err: /at least 8/ });
  const fresh = `${password}-fresh`;
  t.match(await usersWith(`${fresh}\n`, 'set-password', 'ada'), { code: 0 });
  t.equal((await decided(() => fleet.verify(token))).status, 401, 'what was issued is dead');
  t.equal((await signIn('ada')).status, 401);
  t.equal((await signIn('ada', fresh)).status, 200);
  t.match(await usersWith(`${password}\n`, 'set-password', '--login', 'none'), { code: 0 });
  t.equal((await signIn('none')).status, 200, 'who had none has one');
  t.match(
    await users('import', path, '--commit', '--on-conflict', 'replace-imported'),
    {
      code: 2,
      out: /E_CONFLICT +2/,
    },
    'a changed password stays',
  );

  t.match(await users('disable', 'ada'), { code: 0 });
  t.equal((await signIn('ada', fresh)).status, 401);
  t.match(await users('enable', 'ada'), { code: 0 });
  t.equal((await signIn('ada', fresh)).status, 200);

  const saved = join(fleet.dir, 'saved.ndjson');
  t.match(await users('export', saved, '--with-hashes'), { code: 0, out: /\d+ users/ });
  t.equal(statSync(saved).mode & 0o077, 0);
  t.match(await users('export', saved), { code: 1, err: /exists/ });
  t.notMatch((await users('export')).out, /argon2id\$|"hash"/);

  t.match(await users('delete', 'ada'), { code: 0 });
  t.equal((await signIn('ada', fresh)).status, 401);
  t.match(await users('delete', 'ada'), { code: 1, err: /No such user/ });
  const own = JSON.parse((await users('show', '--login', 'own.user', '--json')).out).user_id;
  t.match(await users('delete', own), { code: 0 });
  t.match(await users('delete', own), { code: 0 }, 'once more');
  t.match(await users('show', own), { code: 1, err: /No such user/ });
  await users('import', saved);
  t.match(await users('import', saved, '--commit'), {
    code: 2,
    out: /E_CONFLICT/,
  });
  t.equal((await signIn('ada', fresh)).status, 200, 'back with the password it had');
  t.equal((await signIn('own.user')).status, 200);
};

t.test('users by file and one at a time', async (t) => {
  const rig = await setUp(t);
  await t.test('a file is read in a dry run, written once, and written again without harm', (t) =>
    importOnce(t, rig),
  );
  await t.test('every problem has its code, all are listed, and no hash is echoed', (t) =>
    showCodes(t, rig),
  );
  await t.test('an export of another product, with its key and a known password', (t) =>
    importExport(t, rig),
  );
  await t.test('one user by a call of the admin port, with a declared format', (t) =>
    importOne(t, rig),
  );
  await t.test('one user at a time, and from an export into another store', (t) =>
    oneByOne(t, rig),
  );
  await t.test('an import goes on after kill -9 of the command and of a node', (t) =>
    killAndResume(t, rig),
  );
});
