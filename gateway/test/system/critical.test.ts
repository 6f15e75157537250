/** A critical session survives kill -9 and data loss of the main Redis, over a whole fleet. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { type Answer, decided, password, startFleet, textOf, until } from './fleet.js';

t.setTimeout(600_000);

const backup = await startRedis(t);
const fleet = await startFleet(t, {
  env: { BACKUP_REDIS_URL: backup.url, VERIFY_ON_STORE_LOSS: 'deny', ACCESS_TOKEN_TTL: '15m' },
});

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

  await fleet.redis.stop('SIGKILL');
  rmSync(join(fleet.redis.dir, 'appendonlydir'), { recursive: true, force: true });
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
