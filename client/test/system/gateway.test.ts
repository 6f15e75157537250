/** The library against the real thing: a whole life of a user, and more logins than there is room for. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import argon2 from '@node-rs/argon2';
import t, { type Test } from 'tap';
import {
  decided,
  type Fleet,
  password,
  startFleet,
  until,
} from '../../../gateway/test/system/fleet.js';
import type { CallOptions } from '../../caller.js';
import { type Client, type ClientOptions, createClient } from '../../client.js';
import { FloodgateError } from '../../errors.js';
import type { SessionTokens } from '../../saved-tokens.js';
import { createUserSession } from '../../user-session.js';
import { failureOf } from '../server.js';

t.setTimeout(300_000);

/** What took the node too long (504), which a busy machine may cause, the library does not repeat. */
const isLate = (error: unknown): boolean => error instanceof FloodgateError && error.status === 504;

type SignIn = { username: string; password: string };
const signIn = async (client: Client, its: SignIn, more: CallOptions = {}) => {
  for (;;) {
    try {
      return await client.login(its, more);
    } catch (error) {
      if (!isLate(error)) throw error;
    }
  }
};

const lifeOfAUser = async (t: Test, fleet: Fleet, name: string) => {
  // The machine may be slow; the library has all the time that it wants.
  const client = createClient({ baseUrl: fleet.base, timeoutMs: 60_000, attemptTimeoutMs: 10_000 });
  const username = name.toLowerCase();
  const user = await client.register({ username: name, password });
  t.equal(user.username, username);
  t.match(await failureOf(client.register({ username, password })), {
    ...{ kind: 'rejected', code: 'account_exists', status: 409, requestId: /./ },
  });
  t.match(await failureOf(signIn(client, { username, password: `${password}x` })), {
    ...{ kind: 'rejected', code: 'bad_credentials' },
  });
  const tokens = await signIn(client, { username, password });
  const saved: SessionTokens[] = [];
  const session = createUserSession({
    ...{ client, refreshToken: tokens.refreshToken },
    onChange: (pair) => void saved.push(pair),
  });
  const [first, same] = await Promise.all([session.getToken(), session.getToken()]);
  t.equal(first, same, 'one refresh for both');
  t.equal(saved.length, 1);
  t.match(await client.verify(first), { userId: user.userId, sessionId: tokens.sessionId });

  const next = `${password}-new`;
  const passwords = { currentPassword: password, newPassword: next };
  await session.replace(await client.changePassword(first, passwords));
  await until('the old token is refused', async () => {
    const error = await failureOf(client.verify(first));
    return error instanceof FloodgateError && error.code === 'session_ended';
  });
  const fresh = await session.getToken();
  t.match(await client.verify(fresh), { userId: user.userId });
  await client.logout(fresh);
  await client.logout(fresh);
  const { refreshToken } = saved.at(-1) ?? tokens;
  const ended = createUserSession({ client, refreshToken, onChange: () => {} });
  t.match(await failureOf(ended.getToken()), { kind: 'rejected', code: 'session_ended' });
  const whose = { clientAddress: '203.0.113.7', userAgent: 'Mozilla/5.0' };
  const again = await signIn(client, { username, password: next }, whose);
  t.equal(again.userId, user.userId);
  t.match(await client.sessions.list(again.accessToken), [{ ...whose, current: true }]);
};

const crowd = async (t: Test, fleet: Fleet) => {
  const hash = argon2.hashSync(password, { memoryCost: 19456, timeCost: 2, parallelism: 1 });
  const names = Array.from({ length: 250 }, (_, i) => `crowd-${i}`);
  for (const username of names) {
    const answer = await decided(() => fleet.admin('POST', '/users', { username, hash }));
    t.ok([201, 409].includes(answer.status));
  }

  let attempts = 0;
  let refusals = 0;
  const from: NonNullable<ClientOptions['fetch']> = async (url, init) => {
    attempts++;
    const headers = new Headers(init?.headers);
    // Everybody at home: no address uses up its share.
    headers.set('x-forwarded-for', `10.${attempts >> 8}.${attempts & 255}.1`);
    const response = await fetch(url, { ...init, headers });
    if (response.status === 503) refusals++;
    return response;
  };
  const client = createClient({
    ...{ baseUrl: fleet.base, fetch: from, maxConcurrent: 50, maxQueued: 1000 },
    ...{ timeoutMs: 8000, retryBudget: { initial: 0 } },
  });
  const ends = await Promise.all(
    names.map((username) => failureOf(client.login({ username, password }))),
  );
  const failures = ends.filter((error) => error !== undefined);
  t.ok(failures.length < names.length, 'somebody got in');
  t.ok(refusals > 0, 'it was too much');
  t.ok(attempts <= names.length * 1.1, `${attempts} attempts`);
  for (const error of failures)
    t.match(error, {
      name: 'FloodgateError',
      kind: /^(unavailable|overloaded|deadline|unreachable)$/,
    });
  const counts: Record<string, number> = {};
  for (const error of failures)
    if (error instanceof FloodgateError) counts[error.code] = (counts[error.code] ?? 0) + 1;
  t.comment(
    `${names.length - failures.length} in, ${attempts} attempts, ${refusals} refused, ${JSON.stringify(counts)}`,
  );
  const late = createClient({ baseUrl: fleet.base, timeoutMs: 60_000 });
  t.ok((await late.login({ username: 'crowd-0', password })).accessToken, 'it serves on');
};

t.test('against one gateway with one node', async (t) => {
  const fleet = await startFleet(t, { nodes: 1, env: { TRUSTED_PROXIES: '127.0.0.1' } });
  await t.test('register, login, verify, refresh, change the password, logout', async (t) => {
    // Whether a late change has happened nobody can say: then another user tells.
    for (let tries = 1; ; tries++)
      try {
        return await lifeOfAUser(t, fleet, `Alice-${tries}`);
      } catch (error) {
        if (!isLate(error) || tries === 10) throw error;
      }
  });
  await t.test('more logins than a node can do: each ends, and repeats stay a tenth', (t) =>
    crowd(t, fleet),
  );
});

t.test('the built package is what its name leads to, with types and no dependency', async (t) => {
  const script =
    "import('floodgate/client').then((m) => console.log(Object.keys(m).sort().join()))";
  const names = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  t.match(names, /createClient,createClientCredentials,createUserSession/);
  const types = readFileSync(new URL('../../../dist/client/main.d.ts', import.meta.url), 'utf8');
  t.match(types, 'createUserSession');
});
