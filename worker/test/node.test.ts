import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { callerProof, headers, parseLoad } from '../../shared/protocol.js';
import { startRedis } from '../../shared/test/redis-server.js';
import type { Pepper } from '../passwords/keys.js';
import { newId, startNode } from './node.js';

const right = 'correct horse battery';
const redis = await startRedis(t);
const node = await startNode(t, { redisUrl: redis.url });

t.test('register, log in, change the password', async (t) => {
  const u = newId();
  const created = await node.register(u, right);
  t.match(created, { outcome: 'ok', user_id: `u_${u}`, gen: 1, scopes: 'account' });
  t.match(await node.login(u, right), { outcome: 'ok', user_id: `u_${u}`, gen: 1 });
  t.match(await node.login(u, 'wrong'), { outcome: 'denied', user_id: '', gen: 0, scopes: '' });
  const wish = { u, current_password: right, new_password: 'another long one' };
  t.match(await node.verdict('/password', wish), { outcome: 'ok', gen: 2, user_id: `u_${u}` });
  t.match(await node.login(u, right), { outcome: 'denied' });
  t.match(await node.login(u, 'another long one'), { outcome: 'ok', gen: 2 });
});

t.test('an unknown account is denied in the same words as a wrong password', async (t) => {
  const u = newId();
  await node.register(u, right);
  const attempt = newId();
  const answers = await Promise.all(
    [u, newId()].map((who) => node.post('/login', { u: who, password: 'wrong' }, { attempt })),
  );
  t.same(answers[0]?.body, answers[1]?.body);
  t.equal(answers[0]?.status, 200);
});

t.test('a thousand connections at once wait to be accepted', async (t) => {
  const codes: string[] = [];
  const sockets = Array.from({ length: 1000 }, () => connect(node.socketPath));
  await Promise.all(
    sockets.map(async (socket) => {
      socket.on('error', (error) => codes.push('code' in error ? String(error.code) : 'error'));
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
      socket.destroy();
    }),
  );
  t.strictSame(codes, []);
});

t.test('a caller that proves nothing is refused before its body is read', async (t) => {
  const socket = connect(node.socketPath);
  await once(socket, 'connect');
  const head = (proof: string) =>
    `POST /login HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n` +
    `Content-Length: 5000\r\n${headers.caller}: ${proof}\r\n\r\n`;
  // Not a byte of the body is ever sent.
  socket.write(head(callerProof('another secret', node.bootId)));
  const [answer] = await once(socket, 'data');
  t.match(String(answer), /^HTTP\/1\.1 401 /);
  t.match(String(answer), 'not_authenticated');
  await once(socket, 'close');
  for (const path of ['/register', '/password', '/credentials/batch', '/drain', '/login'])
    t.equal((await node.post(path, {}, { proof: 'ab' })).status, 401, path);
  for (const path of ['/metrics', '/selftest'])
    t.equal((await node.send('GET', path, '', { proof: '' })).status, 401, path);
});

t.test('the proof of another boot or a retired secret is refused', async (t) => {
  const proof = callerProof('secret-of-the-tests', newId());
  t.equal((await node.post('/login', {}, { proof })).status, 401);
  const other = await startNode(t, {
    redisUrl: redis.url,
    nodeId: 'rotating',
    nodeSecrets: ['next', 'secret-of-the-tests'],
  });
  const previous = callerProof('secret-of-the-tests', other.bootId);
  t.equal((await other.send('GET', '/selftest', '', { proof: previous })).status, 200);
  const next = callerProof('next', other.bootId);
  t.equal((await other.send('GET', '/selftest', '', { proof: next })).status, 200);
});

t.test('malformed attempts are bad requests', async (t) => {
  const u = newId();
  const body = { u, password: right };
  t.equal((await node.post('/login', body, { attempt: 'short' })).status, 400);
  t.equal((await node.post('/login', body, { class: 'vip' })).status, 400);
  t.equal((await node.post('/login', body, { remainingMs: -1 })).status, 400);
  t.equal((await node.post('/login', { ...body, u: 'x' })).status, 400);
  t.equal((await node.post('/login', { ...body, u: `${u}\n` })).status, 400);
  t.equal((await node.post('/login', { u })).status, 400);
  t.equal((await node.post('/login', { u, password: '' })).status, 400);
  t.equal((await node.post('/login', { u, password: 7 })).status, 400);
  t.equal((await node.post('/login', { u, password: 'é'.repeat(2049) })).status, 400);
  t.equal((await node.send('POST', '/login', '{"u":"\\ud800"}')).status, 400);
  t.equal((await node.send('POST', '/login', '{')).status, 400);
  t.equal((await node.send('GET', '/login', '')).status, 405);
  t.equal((await node.post('/nowhere', body)).status, 404);
});

t.test('new passwords must follow the rules, old ones need not', async (t) => {
  const u = newId();
  const fields = { u, user_id: 'u_1', scopes: 'account' };
  const reasonOf = async (password: string) => {
    const { status, body } = await node.post('/register', { ...fields, password });
    return `${status} ${body.reason} ${body.field}`;
  };
  t.equal(await reasonOf('7 chars'), '400 password_too_short password');
  t.equal(await reasonOf('Password123'), '400 password_common password');
  t.equal(await reasonOf('é'.repeat(2049)), '400 password_too_long password');
  await node.register(u, right);
  const wish = { u, current_password: right, new_password: 'short' };
  const { body } = await node.post('/password', wish);
  t.match(body, { error: 'bad_request', reason: 'password_too_short', field: 'new_password' });
});

t.test('spellings of a password that differ only in normalisation are one', async (t) => {
  const u = newId();
  await node.register(u, 'Ame\u0301lie\u00a0Poulain');
  t.match(await node.login(u, 'Amélie Poulain'), { outcome: 'ok' });
  t.match(await node.login(u, 'Amelie Poulain'), { outcome: 'denied' });
});

t.test('registering the same name again is told, the same attempt again succeeds', async (t) => {
  const u = newId();
  const attempt = newId();
  const [first, repeated] = [
    await node.register(u, right, { attempt, class: 'register' }),
    await node.register(u, right, { attempt, class: 'register' }),
  ];
  t.match(first, { outcome: 'ok', gen: 1 });
  t.match(repeated, { outcome: 'ok', gen: 1, user_id: first.user_id });
  t.match(await node.register(u, 'something else'), { outcome: 'exists', user_id: '' });
  t.match(await node.login(u, right), { outcome: 'ok' });
});

t.test('twenty registrations of one name at once make one account', async (t) => {
  const u = newId();
  const verdicts = await Promise.all(
    Array.from({ length: 20 }, () => node.register(u, right, { class: 'device' })),
  );
  t.equal(verdicts.filter(({ outcome }) => outcome === 'ok').length, 1);
});

t.test('a password change whose answer was lost can be repeated', async (t) => {
  const u = newId();
  await node.register(u, right);
  const attempt = newId();
  const wish = { u, current_password: right, new_password: 'another long one' };
  t.match(await node.verdict('/password', wish, { attempt }), { outcome: 'ok', gen: 2 });
  t.match(await node.verdict('/password', wish, { attempt }), { outcome: 'ok', gen: 2 });
  const byClient = await node.verdict('/password', wish);
  t.match(byClient, { outcome: 'ok', gen: 3 }, 'another attempt ends everything older once more');
  const wrong = { ...wish, current_password: 'not it', new_password: 'a third long one' };
  t.match(await node.verdict('/password', wrong), { outcome: 'denied' });
  t.match(await node.login(u, 'another long one'), { outcome: 'ok', gen: 3 });
});

const importRow = async (change: object, write = true) => {
  const given = { name: '', attempt: newId(), format: '', options: {}, norm: 'raw', scopes: '' };
  const row = { ...given, status: 'active', ...change };
  const lines = [{ write, rule: 'insert', keys: {} }, row].map((line) => JSON.stringify(line));
  const type = 'application/x-ndjson';
  return node.send('POST', '/credentials/batch', lines.join('\n'), { type });
};

t.test('a disabled account is denied with the right password', async (t) => {
  const u = newId();
  const hash = await storedHash();
  const row = { u, user_id: 'imported', hash, norm: 'nfc', status: 'disabled' };
  t.match(await importRow(row), { status: 200, body: { results: [null] } });
  t.match(await node.login(u, right), { outcome: 'denied', user_id: '' });
  const wish = { u, current_password: right, new_password: 'another long one' };
  t.match(await node.verdict('/password', wish), { outcome: 'denied' });
});

t.test('an import inserts and never overwrites', async (t) => {
  const u = newId();
  const hash = await storedHash();
  const row = { u, user_id: 'crm-17', hash, norm: 'nfc', scopes: 'account admin' };
  const again = { ...row, user_id: 'crm-18' };
  t.match((await importRow(row, false)).body.results, [null]);
  t.match((await importRow(row)).body.results, [null], 'it was only looked at');
  for (const write of [false, true])
    t.match((await importRow(again, write)).body.results, [{ found: ['exists'] }]);
  t.match(await node.login(u, right), {
    outcome: 'ok',
    user_id: 'crm-17',
    scopes: 'account admin',
  });
});

t.test('an import refuses what could not be verified, without echoing it', async (t) => {
  const secretHash = '$2b$31$abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK';
  const row = { u: newId(), user_id: 'x' };
  const check = async (change: object, wanted: object) => {
    const answer = await importRow({ ...row, ...change });
    t.match(answer, wanted);
    t.notMatch(JSON.stringify(answer.body), 'abcdefghijklmnop');
  };
  const hashes: [string, string][] = [
    [secretHash, 'hash_limit'],
    ['hunter2', 'hash_unknown'],
    [`${secretHash}=`, 'hash_malformed'],
    [await storedHash({ id: 'p9', bytes: Buffer.alloc(16) }), 'key_unknown'],
  ];
  for (const [hash, found] of hashes)
    await check({ hash }, { status: 200, body: { results: [{ found: [found] }] } });
  const good = { hash: await storedHash() };
  const reason = 'field_invalid';
  for (const change of [
    { norm: 'nfd' },
    { status: 'admin' },
    { scopes: 'a  b' },
    { user_id: 'a b' },
  ])
    await check({ ...good, ...change }, { status: 400, body: { reason } });
  t.match(await node.login(row.u, right), { outcome: 'denied' });
  await check({ hash: '!' }, { status: 200, body: { results: [{ found: ['hash_unusable'] }] } });
});

t.test('every answer carries the load of the node', async (t) => {
  const { headers: got } = await node.send('GET', '/selftest', '');
  t.match(parseLoad(got[headers.load]), { inflight: 0, queueMs: 0, slots: 1 });
  t.equal(got['x-request-id'], 'request-1');
});

t.test('who comes when it is full, or too late, is refused as not started', async (t) => {
  const { status, body } = await node.post(
    '/login',
    { u: newId(), password: right },
    { remainingMs: 0 },
  );
  t.equal(status, 503);
  t.match(body, { error: 'overloaded', started: false, wait_ms: 0 });
});

t.test('who drains a node is told what it holds, and whether the registry knows', async (t) => {
  const own = await startRedis(t);
  const target = { memoryKiB: 262_144, passes: 4, lanes: 1 };
  const other = await startNode(t, { redisUrl: own.url, nodeId: 'draining', target });
  const drain = async (path = '/drain') => (await other.send('POST', path, '')).body;
  t.strictSame(await drain(), { draining: true, registered: true, inflight: 0 });
  let isWorking = true;
  const working = other.register(newId(), right).finally(() => {
    isWorking = false;
  });
  const said = new Set<unknown>();
  while (isWorking) said.add((await drain()).inflight);
  t.match(await working, { outcome: 'ok' });
  t.ok(said.has(1), 'the hash that runs');
  t.match(await drain('/undrain'), { draining: false, registered: true, inflight: 0 });
  await own.stop('SIGKILL');
  t.match(await drain(), { draining: true, registered: false });
});

t.test('metrics tell hashes, decisions and answers', async (t) => {
  const { status, body } = await node.send('GET', '/metrics', '');
  t.equal(status, 200);
  const text = JSON.stringify(body);
  for (const name of [
    'hash_seconds',
    'admission_total',
    'predicted_wait_seconds',
    'migrations_total',
    'redis_up',
    'node_inflight',
    'loop_late_seconds',
  ])
    t.match(text, `floodgate_${name}`);
});

t.test('a lost store is a 503, and the node comes back with it', async (t) => {
  const own = await startRedis(t);
  const other = await startNode(t, { redisUrl: own.url, nodeId: 'storeless' });
  const u = newId();
  await other.register(u, right);
  await own.stop('SIGKILL');
  const { status, body } = await other.post('/login', { u, password: right });
  t.equal(status, 503);
  t.equal(body.error, 'store_unavailable');
  t.match((await other.send('GET', '/selftest', '')).headers[headers.load], /^0 /);
  await own.start();
  for (let i = 0; i < 40; i++) {
    await sleep(50);
    if ((await other.post('/login', { u, password: right })).status === 200) break;
  }
  t.match(await other.login(u, right), { outcome: 'ok' }, 'nothing acknowledged was lost');
});

t.test('neither passwords nor hashes reach the log', async (t) => {
  const text = JSON.stringify(node.lines);
  t.match(text, 'verdict', 'there is a line per verdict');
  t.notMatch(text, right);
  t.notMatch(text, 'argon2id');
  t.notMatch(text, 'another long one');
});

/** A hash of `right`, as an import would bring it. */
const storedHash = async (pepper?: Pepper): Promise<string> => {
  const { runWork } = await import('../passwords/work.js');
  return String(runWork(['hash', right, 64, 1, 1, pepper]));
};
