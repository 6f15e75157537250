/** Calls against servers that misbehave: what is repeated, when, and how every call ends. */
import t, { type Test } from 'tap';
import { type ClientOptions, createClient } from '../client.js';
import { FloodgateError } from '../errors.js';
import {
  createTime,
  failureOf,
  goneAddress,
  type Handler,
  json,
  startServer,
  tokensOf,
} from './server.js';

const identity = { 'x-auth-user': 'u_1', 'x-auth-session': 's', 'x-auth-scope': 'account' };
const ok: Handler = (res) => res.writeHead(200, identity).end();
const secret = 'MARKER-secret-password';
const login = { username: 'alice', password: secret };

/** Waits cost no time, and jitter is always half of what it may be. */
const setUp = async (t: Test, handler: Handler, options: Partial<ClientOptions> = {}) => {
  const time = createTime();
  const server = await startServer(t, handler);
  const { now, sleep } = time;
  const client = createClient({
    ...{ baseUrl: server.base, now, sleep, random: () => 0.5 },
    ...options,
  });
  return { ...server, time, client };
};

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await failureOf(work);
  return error instanceof FloodgateError ? error.code : String(error);
};

t.test('every call asks for what it should, and reads what comes', async (t) => {
  const session = {
    ...{ session_id: 's1', client_address: '::1', user_agent: 'x', current: true },
    ...{ created_at: '2026-01-02T03:04:05.000Z', last_used_at: '2026-01-03T03:04:05.000Z' },
  };
  const { client, seen } = await setUp(t, (res, { path }) => {
    if (path === '/v1/verify') res.writeHead(200, identity).end();
    else if (path === '/v1/users') json(res, 201, { user_id: 'u_1', username: 'alice' });
    else if (path === '/v1/sessions') json(res, 200, { sessions: [session] });
    else if (/logout|sessions/.test(path)) res.writeHead(204).end();
    else json(res, 200, { ...tokensOf(1), device_token: 'd' });
  });
  t.strictSame(await client.register(login), { userId: 'u_1', username: 'alice' });
  t.match(await client.login({ ...login, deviceToken: 'd' }), {
    accessToken: 'access-1',
    expiresIn: 600,
    deviceToken: 'd',
  });
  t.match(await client.verify('abc'), { userId: 'u_1', scope: 'account' });
  t.match(await client.refresh('r'), { refreshToken: 'u_1.s.1.k.mac' });
  const passwords = { currentPassword: 'a', newPassword: 'b' };
  t.match(await client.changePassword('abc', passwords), { sessionId: 'session' });
  t.match(await client.sessions.list('abc'), [{ sessionId: 's1', current: true }]);
  await client.sessions.end('abc', 's/1');
  await client.sessions.endOthers('abc');
  await client.logout('abc');
  t.strictSame(
    seen.map(({ path }) => path),
    [
      ...['/v1/users', '/v1/login', '/v1/verify', '/v1/refresh', '/v1/password', '/v1/sessions'],
      ...['/v1/sessions/s%2F1', '/v1/sessions?keep=current', '/v1/logout'],
    ],
  );
  t.strictSame(JSON.parse(seen[1]?.body ?? ''), { ...login, device_token: 'd' });
  t.equal(seen[2]?.headers.authorization, 'Bearer abc');
});

t.test('an error has its code, status, request id and pause', async (t) => {
  const { client } = await setUp(t, (res) =>
    json(
      res,
      429,
      { error: 'too_many_attempts', error_description: 'Wait.', request_id: 'r-1' },
      { 'retry-after': '30' },
    ),
  );
  t.match(await failureOf(client.login(login)), {
    ...{ name: 'FloodgateError', kind: 'unavailable', code: 'too_many_attempts', status: 429 },
    ...{ retryAfterMs: 30_000, requestId: 'r-1', description: 'Wait.', mayHaveRun: false },
  });
});

t.test('Retry-After is honoured exactly: seconds and dates, with jitter on top', async (t) => {
  const date = (at: number) => new Date(at).toUTCString();
  const { client, seen, time } = await setUp(t, (res, _, nth) => {
    if (nth === 1) json(res, 503, { error: 'overloaded' }, { 'retry-after': '2' });
    else if (nth === 3) {
      const headers = { date: date(0), 'retry-after': date(3000) };
      json(res, 503, { error: 'overloaded' }, headers);
    } else ok(res, { path: '', body: '', headers: {} }, nth, res.req);
  });
  await client.verify('a');
  t.strictSame(time.slept, [2200]);
  await client.verify('a');
  t.strictSame(time.slept, [2200, 3200]);
  t.equal(seen.length, 4);
});

t.test('when one is asked to wait, all of its kind wait, and others do not', async (t) => {
  const { client, seen, time } = await setUp(
    t,
    (res, { path }, nth) => {
      if (nth === 1) json(res, 503, { error: 'overloaded' }, { 'retry-after': '4' });
      else if (path === '/v1/verify') ok(res, { path, body: '', headers: {} }, nth, res.req);
      else json(res, 200, tokensOf(nth));
    },
    { retryBudget: { initial: 0 } },
  );
  t.equal(await codeOf(client.login(login)), 'overloaded', 'no budget, no repeat');
  await client.verify('a');
  t.strictSame(time.slept, [], 'checks are not asked to wait');
  const from = time.now();
  await Promise.all(Array.from({ length: 5 }, () => client.login(login)));
  t.equal(seen.length, 7);
  t.ok(time.now() - from >= 4000);
  t.ok(time.slept.length >= 1 && (time.slept[0] ?? 0) >= 4000);
});

t.test('a pause longer than the call has is an error at once, and nothing is sent', async (t) => {
  const { client, seen, time } = await setUp(t, (res) =>
    json(res, 503, { error: 'no_node' }, { 'retry-after': '60' }),
  );
  t.equal(await codeOf(client.login(login)), 'no_node');
  const error = await failureOf(client.login(login));
  t.match(error, { kind: 'overloaded', code: 'asked_to_wait', retryAfterMs: 60_000 });
  t.equal(seen.length, 1);
  time.advance(60_001);
  t.equal(await codeOf(client.login(login)), 'no_node');
  t.equal(seen.length, 2);
});

t.test('a 503 about one token or account holds nobody else up', async (t) => {
  for (const error of ['issuer_unavailable', 'temporarily_unavailable']) {
    const { client, seen, time } = await setUp(
      t,
      (res, { headers }, nth) => {
        if (headers.authorization === 'Bearer foreign')
          json(res, 503, { error }, { 'retry-after': '30' });
        else ok(res, { path: '', body: '', headers }, nth, res.req);
      },
      { maxConcurrent: 4 },
    );
    for (let i = 0; i < 8; i++) t.equal(await codeOf(client.verify('foreign')), error);
    await Promise.all(Array.from({ length: 4 }, () => client.verify('ours')));
    t.strictSame(time.slept, [], error);
    t.equal(seen.length, 12);
  }
});

t.test('nothing is sent for an answer that there is no time for', async (t) => {
  const { client, seen, time } = await setUp(t, (res) =>
    json(res, 503, { error: 'store_unavailable' }, { 'retry-after': '1' }),
  );
  const passwords = { currentPassword: 'a', newPassword: 'b' };
  for (let i = 0; i < 12; i++) {
    const startedAt = time.now();
    const before = seen.length;
    await failureOf(client.changePassword('t', passwords, { timeoutMs: 1700 }));
    t.ok(seen.length > before || time.now() === startedAt, 'asked, or told at once');
    t.ok(time.now() - startedAt <= 1700 - 500, 'with half a second to go');
    time.advance(1001);
  }
});

t.test('a server that was gone for a moment is asked as much as before', async (t) => {
  let isDown = true;
  let inFlight = 0;
  let most = 0;
  const { client, time } = await setUp(
    t,
    async (res) => {
      if (isDown) return json(res, 503, { error: 'store_unavailable' }, { 'retry-after': '1' });
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inFlight--;
      return json(res, 200, tokensOf(1));
    },
    { maxConcurrent: 16, retryBudget: { initial: 0 } },
  );
  const crowd = () => Promise.all(Array.from({ length: 16 }, () => failureOf(client.login(login))));
  await crowd();
  isDown = false;
  time.advance(60_000);
  await crowd();
  t.equal(most, 16);
});

t.test('429 is about one caller: the others go on', async (t) => {
  const { client, time } = await setUp(t, (res, _, nth) => {
    if (nth === 1) json(res, 429, { error: 'too_many_attempts' }, { 'retry-after': '900' });
    else json(res, 200, tokensOf(nth));
  });
  t.equal(await codeOf(client.login(login)), 'too_many_attempts');
  await client.login({ ...login, username: 'bob' });
  t.strictSame(time.slept, []);
});

t.test('a server that hangs, before or inside the answer', async (t) => {
  const hang: Handler = () => {};
  const drip: Handler = (res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    const timer = setInterval(() => res.write(' '), 10);
    res.once('close', () => clearInterval(timer));
  };
  for (const [name, handler] of Object.entries({ hang, drip })) {
    const { client, seen } = await setUp(t, handler, { attemptTimeoutMs: 60 });
    t.match(
      await failureOf(client.verify('a')),
      { code: 'attempt_timeout', kind: 'unreachable', mayHaveRun: true },
      name,
    );
    t.equal(seen.length, 3);
    t.equal(await codeOf(client.login(login)), 'attempt_timeout');
    t.equal(seen.length, 4, 'a hash may be running: no second login');
    t.equal(await codeOf(client.login(login, { timeoutMs: 30 })), 'deadline_exceeded');
  }
});

t.test('a fetch that does not listen to its signal ends all the same', async (t) => {
  const { client } = await setUp(t, ok, {
    fetch: () => new Promise(() => {}),
    attemptTimeoutMs: 20,
  });
  t.equal(await codeOf(client.login(login)), 'attempt_timeout');
});

t.test('a lost connection is repeated at once, however short the time of the call', async (t) => {
  const { client, seen } = await setUp(t, (res, { path, body, headers }, nth) => {
    if (nth === 1) res.destroy();
    else ok(res, { path, body, headers }, nth, res.req);
  });
  await client.verify('a', { timeoutMs: 400 });
  t.equal(seen.length, 2);
});

t.test('connections lost before and inside the answer, and never made', async (t) => {
  const drop: Handler = (res) => res.destroy();
  const dropInside: Handler = (res) => {
    res.writeHead(200, { 'content-length': 100 });
    res.write('{"access_token"', () => res.destroy());
  };
  for (const [name, handler] of Object.entries({ drop, dropInside })) {
    const { client, seen } = await setUp(t, handler);
    const error = await failureOf(client.verify('a'));
    t.match(error, { code: 'network_error', mayHaveRun: true }, name);
    t.equal(seen.length, 3);
    t.equal(await codeOf(client.login(login)), 'network_error');
    t.equal(seen.length, 5, 'a login once more');
    t.equal(await codeOf(client.register(login)), 'network_error');
    t.equal(seen.length, 6, 'a registration never');
  }
  const gone = await goneAddress();
  let tries = 0;
  const nobody = createClient({
    ...{ baseUrl: gone, sleep: async () => {} },
    fetch: (...given) => {
      tries++;
      return fetch(...given);
    },
  });
  const error = await failureOf(nobody.register(login));
  t.match(error, { code: 'network_error', mayHaveRun: false });
  t.ok(error instanceof Error && error.cause !== undefined);
  t.equal(tries, 3, 'what was never sent may be sent again');
});

t.test('a refusal without its body or a code says nothing of the token', async (t) => {
  const answers: Record<string, Handler> = {
    cut: (res) => {
      res.writeHead(401, { 'content-length': 100 });
      res.write('{"error":', () => res.destroy());
    },
    'no way there': (res) => res.writeHead(404).end('<h1>default backend</h1>'),
    'a firewall': (res) => res.writeHead(403).end('<h1>Request blocked</h1>'),
    'somebody else': (res) => json(res, 401, { message: 'who are you?' }),
  };
  for (const [name, handler] of Object.entries(answers)) {
    const { client } = await setUp(t, handler);
    const error = await failureOf(client.verify('a'));
    t.match(error, { kind: 'unreachable', code: 'bad_answer' }, name);
  }
});

t.test('answers that are none', async (t) => {
  const answers: Record<string, Handler> = {
    text: (res) => res.writeHead(200).end('not json'),
    list: (res) => res.writeHead(200).end('[1]'),
    utf8: (res) => res.writeHead(200).end(Buffer.from([0x7b, 0xff, 0x7d])),
    fields: (res) => json(res, 200, { ...tokensOf(1), expires_in: '600' }),
    endless: (res) => res.writeHead(200).end(`{"a":"${'x'.repeat(2 * 1024 * 1024)}"}`),
    elsewhere: (res) => res.writeHead(307, { location: '/v1/other' }).end(),
  };
  for (const [name, handler] of Object.entries(answers)) {
    const { client, seen } = await setUp(t, handler);
    t.match(
      await failureOf(client.refresh('r')),
      { code: 'bad_answer', kind: 'unreachable' },
      name,
    );
    t.ok(
      seen.every(({ path }) => path === '/v1/refresh'),
      'no redirect is followed',
    );
  }
  const html = await setUp(t, (res) => res.writeHead(503).end('<h1>Sorry</h1>'));
  t.match(await failureOf(html.client.refresh('r')), { kind: 'unavailable', code: 'status_503' });
  t.equal(html.seen.length, 3);
});

t.test('no secret gets into a message, whatever is sent back', async (t) => {
  const { client } = await setUp(t, (res, { body, headers }) =>
    json(res, 400, { error: `${body}${headers.authorization}`, request_id: `${body}\n` }),
  );
  const calls = [
    () => client.login(login),
    () => client.changePassword(secret, { currentPassword: secret, newPassword: secret }),
    () => client.verify(`${secret}\r\nx: y`),
    () => client.refresh(secret),
  ];
  for (const call of calls) {
    const error = await failureOf(call());
    t.ok(error instanceof FloodgateError);
    const shown = error instanceof Error ? `${error.stack} ${JSON.stringify(error)}` : '';
    t.notMatch(shown, secret);
  }
  for (const baseUrl of [
    `https://user:${secret}@host`,
    `not ${secret}`,
    'ftp://host',
    'http://h?x',
  ])
    t.throws(() => createClient({ baseUrl }), {
      ...{ code: 'bad_argument', message: 'An argument is not valid: url.' },
    });
});

t.test('calls in flight and calls in line are bounded', async (t) => {
  let inFlight = 0;
  let most = 0;
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { client, seen } = await setUp(
    t,
    async (res) => {
      most = Math.max(most, ++inFlight);
      await opened;
      inFlight--;
      json(res, 200, tokensOf(1));
    },
    { maxConcurrent: 2, maxQueued: 3 },
  );
  const calls = Array.from({ length: 10 }, () => codeOf(client.login(login)));
  const refused = await Promise.all(calls.slice(5));
  t.strictSame(new Set(refused), new Set(['client_overloaded']));
  while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  open();
  t.strictSame(await Promise.all(calls.slice(0, 5)), Array(5).fill('undefined'));
  t.equal(seen.length, 5);
  t.equal(most, 2);
});

t.test('who withdraws leaves the line, and nobody loses a place', async (t) => {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { client, seen } = await setUp(
    t,
    async (res) => {
      await opened;
      json(res, 200, tokensOf(1));
    },
    { maxConcurrent: 1, maxQueued: 10 },
  );
  const controller = new AbortController();
  const { signal } = controller;
  const first = codeOf(client.login(login));
  const leaving = [0, 1, 2].map(() => codeOf(client.login(login, { signal })));
  const last = codeOf(client.login(login));
  controller.abort(new Error('gone'));
  t.strictSame(await Promise.all(leaving), ['aborted', 'aborted', 'aborted']);
  t.equal(await codeOf(client.login(login, { signal })), 'aborted');
  open();
  t.strictSame(await Promise.all([first, last]), ['undefined', 'undefined']);
  t.equal(seen.length, 2);
  const inFlight = new AbortController();
  const hanging = await setUp(t, () => inFlight.abort());
  t.match(await failureOf(hanging.client.login(login, { signal: inFlight.signal })), {
    ...{ code: 'aborted', mayHaveRun: true },
  });
});

t.test('repeats stay inside the budget, over all calls', async (t) => {
  const { client, seen } = await setUp(t, (res) => res.writeHead(503).end(), {
    retryBudget: { initial: 0 },
  });
  for (let i = 0; i < 100; i++) t.equal(await codeOf(client.verify('a')), 'status_503');
  t.equal(seen.length, 110);
});

t.test('many callers settle at what the server takes at once', async (t) => {
  const room = 3;
  let inFlight = 0;
  let refused = 0;
  const { client } = await setUp(
    t,
    async (res) => {
      if (inFlight >= room) {
        refused++;
        return json(res, 503, { error: 'overloaded' }, { 'retry-after': '1' });
      }
      inFlight++;
      await new Promise((resolve) => setTimeout(resolve, 10));
      inFlight--;
      return json(res, 200, tokensOf(1));
    },
    { maxConcurrent: 20, maxQueued: 1000, timeoutMs: 600_000 },
  );
  const waves: number[] = [];
  for (let i = 0; i < 4; i++) {
    const before = refused;
    await Promise.all(Array.from({ length: 40 }, () => failureOf(client.login(login))));
    waves.push(refused - before);
  }
  t.ok((waves[0] ?? 0) > 0, 'too many at first');
  t.ok((waves[3] ?? 0) <= 3, `refused in each wave: ${waves}`);
});
