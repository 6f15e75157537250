/**
 * Users by the thousand and one at a time: real processes, the real command, files on disk. Hashes are
 * made cheaply, because none of this is about hashing.
 */
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decided, password, startFleet } from './fleet.js';
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

const setUp = async (t: Test) => {
  const env = { PASSWORD_KEYS: `fb1:${signer}` };
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

t.test('a file is read in a dry run, written once, and written again without harm', async (t) => {
  const { fleet, users, usersWith, file, signIn } = await setUp(t);
  const people = Array.from({ length: 1200 }, (_, at) => ({
    id: `p${at}`,
    login: `Person${at}@example.org`,
    hash: django(`${password}${at}`),
  }));
  const probe = { id: 'p7', password: `${password}7` };
  const path = file('people.ndjson', ndjson([{ ...header, probe }, ...people]));

  t.match(await users('import', path, '--commit'), { code: 1, err: /no dry run/ });
  const dry = await users('import', path);
  t.match(dry, { code: 0, out: /good +1,200/ });
  t.equal((await signIn('person7@example.org', `${password}7`)).status, 401, 'nothing is written');

  const results = join(fleet.dir, 'results');
  t.match(await users('import', path, '--commit', '--results', results), {
    code: 0,
    out: /good +1,200/,
  });
  const lines = readObjects(results);
  t.strictSame(
    lines.map(({ line }) => line),
    people.map((_, at) => at + 2),
    'one result for each line, in order',
  );
  t.match(lines[1198], { line: 1200, id: 'p1198', ok: true });
  t.equal(statSync(results).mode & 0o077, 0, 'for nobody else');
  const session = await signIn('person7@example.org', `${password}7`);
  t.match(session, { status: 200, body: { user_id: 'p7' } });

  t.match(await users('import', path, '--commit'), { code: 0, out: /good +1,200/ }, 'once more');
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
});
