/** A critical session survives kill -9 and data loss of the main Redis, over a whole fleet. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { send } from '../request.js';
import { type Answer, decided, password, startFleet, textOf, until } from './fleet.js';
import { basic, createRig } from './oauth-rig.js';

t.setTimeout(600_000);

const backup = await startRedis(t);
const fleet = await startFleet(t, {
  env: {
    BACKUP_REDIS_URL: backup.url,
    VERIFY_ON_STORE_LOSS: 'deny',
    ACCESS_TOKEN_TTL: '15m',
    TRUSTED_PROXIES: '127.0.0.1',
  },
});

const loseMain = async () => {
  await fleet.redis.stop('SIGKILL');
  rmSync(join(fleet.redis.dir, 'appendonlydir'), { recursive: true, force: true });
};

t.test('without the backup: 503 for critical logins, nothing else', async (t) => {
  await fleet.register('frank');
  const plain = await fleet.signIn('frank');
  await fleet.admin('POST', `/users/${textOf(plain, 'user_id')}/allow-critical`);
  await backup.stop('SIGKILL');
  const wish = { username: 'frank', password, critical: true };
  t.equal((await fleet.post('/v1/login', wish)).body.error, 'store_unavailable');
  const answer = await fleet.signIn('frank');
  const token = textOf(answer, 'access_token');
  t.equal((await fleet.post('/v1/logout', {}, token)).status, 204);
  await backup.start();
  await until('the backup', async () => (await fleet.post('/v1/login', wish)).status === 200);
});

t.test('cookies and introspection of critical sessions ask the backup too', async (t) => {
  const { port } = fleet;
  const rig = await createRig(t, fleet);
  await fleet.register('gina');
  const plain = await fleet.signIn('gina');
  await fleet.admin('POST', `/users/${textOf(plain, 'user_id')}/allow-critical`);
  const wish = { username: 'gina', password, critical: true };
  const [mine, over] = [
    await decided(() => fleet.post('/v1/login', wish)),
    await decided(() => fleet.post('/v1/login', wish)),
  ];
  const signedIn = await decided(() => fleet.post('/v1/login', { ...wish, cookie: true }));
  const cookie = /^[^;]*/.exec(signedIn.headers.get('set-cookie') ?? '')?.[0] ?? '';
  const byCookie = async () => (await send(port, '/v1/verify', { headers: { cookie } })).status;
  await until('its cookie', async () => (await byCookie()) === 200);
  const revoke = { token: textOf(over, 'access_token'), client_id: 'floodgate' };
  await until('a revocation', async () => (await rig.post('/oauth/revoke', revoke)).status === 200);

  await loseMain();
  await until('the log is silent', async () => {
    const { status } = await fleet.verify(textOf(plain, 'access_token'));
    return status === 503;
  });
  t.equal(await byCookie(), 200);
  t.equal((await fleet.verify(textOf(over, 'access_token'))).status, 401, 'the backup knows');
  await fleet.redis.start();
  await until('the store', async () => (await fleet.admin('GET', '/clients')).status === 200);
  await until('the cookie', async () => (await byCookie()) === 200);

  // Clients are lost with the store that had them.
  const client = await rig.addClient({ introspect: 'any' });
  /** Either edge may still be on its way back to the store: 503 decides nothing. */
  const isActive = async (answer: Answer, field: string): Promise<unknown> => {
    let heard = { status: 503, text: '{}' };
    await until('an answer', async () => {
      heard = await rig.post('/oauth/introspect', { token: textOf(answer, field) }, basic(client));
      return heard.status !== 503;
    });
    return JSON.parse(heard.text).active;
  };
  t.equal(await isActive(mine, 'access_token'), true);
  t.equal(await isActive(mine, 'refresh_token'), true);
  t.equal(await isActive(over, 'access_token'), false, 'revoked before');
  t.equal(await isActive(plain, 'access_token'), false, 'its record is lost');
});

t.test('a critical session lives on without the main store, and ends for good', async (t) => {
  await fleet.register('erin');
  const plain = await fleet.signIn('erin');
  const signIn = () =>
    decided(() => fleet.post('/v1/login', { username: 'erin', password, critical: true }));
  t.equal((await signIn()).body.error, 'critical_unavailable', 'not before it is allowed');
  const path = `/users/${textOf(plain, 'user_id')}/allow-critical`;
  t.match((await fleet.admin('POST', path)).body, { critical: true });
  const wrongType = { username: 'erin', password, critical: 'yes' };
  t.equal((await fleet.post('/v1/login', wrongType)).status, 400);
  const [mine, other] = [await signIn(), await signIn()];
  t.strictSame([mine.status, other.status], [200, 200]);

  await loseMain();
  const verify = (answer: Answer) => fleet.verify(textOf(answer, 'access_token'));
  const refresh = (answer: Answer) =>
    fleet.post('/v1/refresh', { refresh_token: textOf(answer, 'refresh_token') });
  const list = (answer: Answer) =>
    fleet.call('GET', '/v1/sessions', undefined, textOf(answer, 'access_token'));
  await until('the log is silent', async () => (await verify(plain)).status === 503);
  t.equal((await verify(mine)).status, 200, 'the backup knows');
  t.equal((await refresh(plain)).status, 503);
  const down = await refresh(mine);
  t.equal(down.status, 200);
  t.equal((await list(down)).status, 200);
  const logout = (answer: Answer) => fleet.post('/v1/logout', {}, textOf(answer, 'access_token'));
  t.equal((await logout(other)).status, 503, 'an end cannot be told to all');

  await fleet.redis.start();
  await until('the log is heard', async () => (await verify(plain)).status === 200);
  t.equal((await decided(() => refresh(plain))).status, 401, 'its record is lost');
  const up = await decided(() => refresh(down));
  t.equal(up.status, 200);
  t.equal((await verify(up)).status, 200);
  t.match((await list(up)).body.sessions, [{ session_id: mine.body.session_id, current: true }]);
  t.equal((await decided(() => logout(other))).status, 204, 'and a repeat finishes it');

  // Edges that start now find an empty store, and read the tokens of those before all the same.
  fleet.gateway().child.kill('SIGKILL');
  await fleet.gateway().exited;
  await until('the port is free', async () => fleet.edgePids().length === 0);
  await fleet.restartGateway();
  t.equal((await verify(up)).status, 200);
  const later = await decided(() => refresh(up));
  t.equal(later.status, 200);
  t.equal((await decided(() => logout(later))).status, 204);
  await until('its end', async () => (await verify(later)).status === 401);
  t.equal((await decided(() => refresh(later))).status, 401);
});
