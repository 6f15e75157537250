/** The session of a user, in virtual time, against servers that fail at the worst moment. */
import t, { type Test } from 'tap';
import { createClient } from '../client.js';
import { FloodgateError } from '../errors.js';
import type { SessionTokens } from '../saved-tokens.js';
import { createUserSession, type UserSessionOptions } from '../user-session.js';
import {
  createTime,
  failureOf,
  type Handler,
  json,
  refreshTokenOf,
  startServer,
  tokensOf,
} from './server.js';

type Time = ReturnType<typeof createTime>;

/** Until nothing moves any more: background work has real requests in it. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 50));

const issue: Handler = (res, _, nth) => json(res, 200, tokensOf(nth));
const down: Handler = (res) => json(res, 503, { error: 'store_unavailable' });

/** Rotates like the real one: a repeat of the last token gets the same successor. */
const createFamily = () => {
  let generation = 0;
  return {
    generation: () => generation,
    rotate: (body: string) => {
      const sent = Number(/u_1\.s\.(\d+)/.exec(body)?.[1]);
      if (sent === generation) generation++;
      return sent === generation - 1 ? tokensOf(generation) : undefined;
    },
  };
};

const openSession = async (
  t: Test,
  handler: Handler,
  options: {
    onChange?: (tokens: SessionTokens) => Promise<void> | void;
    load?: UserSessionOptions['load'];
  } = {},
) => {
  const time: Time = createTime();
  const server = await startServer(t, handler);
  const { now, sleep } = time;
  const saved: SessionTokens[] = [];
  const client = createClient({ baseUrl: server.base, now, sleep });
  const session = createUserSession({
    ...{ client, now, refreshToken: refreshTokenOf(0), accessToken: 'access-0', expiresIn: 600 },
    onChange: options.onChange ?? ((tokens) => void saved.push(tokens)),
    load: options.load,
    saved: true,
  });
  return { ...server, time, session, saved };
};

t.test('a token from an earlier run is not handed out again once it was refused', async (t) => {
  const { session, seen } = await openSession(t, issue);
  const old = await session.getToken();
  session.discard(old);
  const fresh = await session.getToken();
  t.not(fresh, old);
  session.discard(fresh);
  t.equal(await session.getToken(), fresh, 'a brand-new one is: the next would be refused, too');
  t.equal(seen.length, 1);
});

t.test('a lost answer is asked for again with the same token, and saved once', async (t) => {
  const family = createFamily();
  const { session, seen, saved, time } = await openSession(t, (res, { body }, nth) => {
    const tokens = family.rotate(body);
    if (nth === 1) res.destroy();
    else if (tokens) json(res, 200, tokens);
    else json(res, 401, { error: 'session_ended' });
  });
  t.equal(await session.getToken(), 'access-0');
  time.advance(600_000);
  const tokens = await Promise.all(Array.from({ length: 50 }, () => session.getToken()));
  t.strictSame(new Set(tokens), new Set(['access-1']));
  t.strictSame(
    seen.map(({ body }) => body),
    Array(2).fill(JSON.stringify({ refresh_token: refreshTokenOf(0) })),
  );
  t.strictSame(
    saved.map(({ refreshToken }) => refreshToken),
    [refreshTokenOf(1)],
  );
  time.advance(600_000);
  t.equal(await session.getToken(), 'access-2');
});

t.test('the end of a session is told to everybody, and nobody asks again', async (t) => {
  for (const code of ['session_ended', 'token_invalid']) {
    const { session, seen, time } = await openSession(t, (res) => json(res, 401, { error: code }));
    time.advance(600_000);
    const errors = await Promise.all([1, 2, 3].map(() => failureOf(session.getToken())));
    for (const error of errors) t.match(error, { kind: 'rejected', code, status: 401 });
    time.advance(3_600_000);
    t.match(await failureOf(session.getToken()), { code });
    t.equal(seen.length, 1);
  }
});

t.test('our trouble is not the end of a session', async (t) => {
  const { session, time } = await openSession(t, (res, given, nth, req) =>
    nth <= 3 ? down(res, given, nth, req) : json(res, 200, tokensOf(nth)),
  );
  time.advance(600_000);
  t.match(await failureOf(session.getToken()), { code: 'store_unavailable' });
  time.advance(60_000);
  t.equal(await session.getToken(), 'access-4');
});

t.test('tokens are saved before anybody sees them, and saving is tried again', async (t) => {
  const events: string[] = [];
  const { session, seen, time } = await openSession(t, issue, {
    onChange: async ({ refreshToken }) => {
      events.push(`save ${refreshToken.split('.')[2]}`);
      await settle();
      if (events.length === 1) throw new Error('disk full');
      events.push('saved');
    },
  });
  time.advance(600_000);
  const error = await failureOf(session.getToken());
  t.match(error, { kind: 'not_saved', cause: { message: 'disk full' } });
  time.advance(30_000);
  events.push(await session.getToken());
  t.strictSame(events, ['save 1', 'save 1', 'saved', 'access-1']);
  t.equal(seen.length, 1, 'no second refresh');
});

t.test('tokens of a password change win over a refresh that was under way', async (t) => {
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { session, saved, seen, time } = await openSession(t, async (res) => {
    await asked;
    json(res, 401, { error: 'session_ended' });
  });
  time.advance(590_000);
  t.equal(await session.getToken(), 'access-0');
  while (seen.length === 0) await settle();
  await session.replace({ accessToken: 'fresh', expiresIn: 600, refreshToken: refreshTokenOf(9) });
  answer();
  await settle();
  t.equal(await session.getToken(), 'fresh');
  t.equal(saved.at(-1)?.refreshToken, refreshTokenOf(9));
});

t.test('tokens of a password change win over an end that was told just before', async (t) => {
  const { session, time } = await openSession(t, (res) =>
    json(res, 401, { error: 'session_ended' }),
  );
  time.advance(600_000);
  t.match(await failureOf(session.getToken()), { code: 'session_ended' });
  await session.replace({ accessToken: 'fresh', expiresIn: 600, refreshToken: refreshTokenOf(9) });
  t.equal(await session.getToken(), 'fresh');
});

t.test('tokens of a password change win over what was being loaded', async (t) => {
  let loaded = () => {};
  const loading = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  const { session, seen, time } = await openSession(t, issue, {
    load: async () => {
      await loading;
      return { refreshToken: refreshTokenOf(0) };
    },
  });
  time.advance(600_000);
  const got = session.getToken();
  await settle();
  await session.replace({ accessToken: 'fresh', expiresIn: 600, refreshToken: refreshTokenOf(9) });
  loaded();
  t.equal(await got, 'fresh');
  t.equal(seen.length, 0, 'the old one is not presented');
});

t.test('what another tab has saved is what the next refresh goes on from', async (t) => {
  const { session, seen, time } = await openSession(t, issue, {
    load: () => ({ refreshToken: refreshTokenOf(7) }),
  });
  time.advance(600_000);
  await session.getToken();
  t.equal(seen[0]?.body, JSON.stringify({ refresh_token: refreshTokenOf(7) }));
});

t.test('tokens of a password change win over a pair that is being saved', async (t) => {
  const steps: string[] = [];
  let finish = () => {};
  const { session, seen, time } = await openSession(t, issue, {
    onChange: async ({ accessToken }) => {
      steps.push(accessToken);
      if (steps.length === 1)
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      steps.push(`${accessToken} saved`);
    },
  });
  time.advance(600_000);
  const got = session.getToken();
  while (steps.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const pair = { accessToken: 'fresh', expiresIn: 600, refreshToken: refreshTokenOf(9) };
  const replaced = session.replace(pair);
  finish();
  await replaced;
  t.equal(await got, 'fresh');
  t.equal(await session.getToken(), 'fresh');
  t.strictSame(steps, ['access-1', 'access-1 saved', 'fresh', 'fresh saved']);
  time.advance(600_000);
  await session.getToken();
  t.strictSame(
    seen.map(({ body }) => JSON.parse(body).refresh_token),
    [refreshTokenOf(0), refreshTokenOf(9)],
  );
});

t.test('what was replaced is not handed out, also when the new pair cannot be saved', async (t) => {
  let tries = 0;
  const { session } = await openSession(t, issue, {
    onChange: () => {
      if (++tries === 1) throw new Error('disk full');
    },
  });
  t.equal(await session.getToken(), 'access-0');
  const pair = { accessToken: 'fresh', expiresIn: 600, refreshToken: refreshTokenOf(1) };
  t.match(await failureOf(session.replace(pair)), { code: 'not_saved' });
  t.equal(await session.getToken(), 'fresh');
});

t.test('errors are the typed ones', async (t) => {
  const { session, time } = await openSession(t, (res) => void res.destroy());
  time.advance(600_000);
  t.ok((await failureOf(session.getToken())) instanceof FloodgateError);
});
