/** Where a user is signed in, and the end of it; and the way back in by a reset token. */
import t from 'tap';
import {
  decided,
  password,
  startFleet,
  textOf,
  until,
} from '../../../gateway/test/system/fleet.js';
import { createClient } from '../../client.js';
import { FloodgateError } from '../../errors.js';
import { failureOf } from '../server.js';

t.setTimeout(300_000);

t.test('sessions of a user, and a reset', async (t) => {
  const fleet = await startFleet(t, { nodes: 1 });
  // The machine may be slow; the library has all the time that it wants.
  const patient = { timeoutMs: 60_000, attemptTimeoutMs: 10_000 };
  const client = createClient({ baseUrl: fleet.base, ...patient });
  const { userId, username } = await client.register({ username: 'alice', password });
  const login = () => client.login({ username, password });
  const isOver = async (token: string) => {
    const error = await failureOf(client.verify(token));
    return error instanceof FloodgateError && error.code === 'session_ended';
  };

  const [one, two, three] = [await login(), await login(), await login()];
  const listed = await client.sessions.list(one.accessToken);
  t.same(
    new Set(listed.map(({ sessionId }) => sessionId)),
    new Set([one.sessionId, two.sessionId, three.sessionId]),
  );
  const current = listed.filter((session) => session.current);
  t.match(current, [{ sessionId: one.sessionId, clientAddress: '127.0.0.1', userAgent: /./ }]);

  await client.sessions.end(one.accessToken, two.sessionId);
  await until('the second has ended', () => isOver(two.accessToken));
  await client.sessions.endOthers(one.accessToken);
  await until('the third has ended', () => isOver(three.accessToken));
  t.equal((await client.sessions.list(one.accessToken)).length, 1);
  await client.sessions.endAll(one.accessToken);
  await until('all have ended', () => isOver(one.accessToken));

  const answer = await decided(() => fleet.admin('POST', `/users/${userId}/reset`));
  const resetToken = textOf(answer, 'reset_token');
  const newPassword = `${password}-reset`;
  await client.resetPassword({ resetToken, newPassword });
  t.match(await failureOf(login()), { code: 'bad_credentials' });
  t.ok((await client.login({ username, password: newPassword })).accessToken);
  const again = client.resetPassword({ resetToken, newPassword: `${newPassword}-2` });
  t.match(await failureOf(again), { kind: 'rejected', code: 'token_invalid' });
});
