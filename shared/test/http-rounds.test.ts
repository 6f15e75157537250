/** Refusing unread while the event loop is behind: the rule by a clock of its own, and a server that has too much to do. */
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { AppError } from '../errors.js';
import type { Route } from '../http.js';
import { createRounds } from '../http-rounds.js';
import { raw, serveRoutes } from './serve-routes.js';

/** Connections of which the test sees who is read. */
const createConnection = () => {
  let isRead = true;
  return {
    pause: () => {
      isRead = false;
    },
    resume: () => {
      isRead = true;
    },
    isRead: () => isRead,
  };
};
type Connection = ReturnType<typeof createConnection>;

/** A loop whose time is the test's. `round` lets one take so long, and says who in it was turned away. */
const createLoop = () => {
  let at = 1000;
  let end: (() => void) | undefined;
  const rounds = createRounds({
    now: () => at,
    atEnd: (fn) => {
      end = fn;
    },
  });
  const finish = (durationMs: number) => {
    at += durationMs;
    const fn = end;
    end = undefined;
    fn?.();
  };
  const round = (
    durationMs: number,
    askAfterMs: readonly number[] = [],
    from: Connection = createConnection(),
  ): boolean[] => {
    rounds.enter(at);
    const refused = askAfterMs.map((after) => {
      rounds.enter(at + after);
      return rounds.turnsAway(at + after, from);
    });
    finish(durationMs);
    return refused;
  };
  const rest = (ms: number) => {
    at += ms;
  };
  const many = (count: number, durationMs: number) => {
    for (let i = 0; i < count; i++) round(durationMs);
  };
  return { round, rest, many, finish, isWaiting: () => end !== undefined };
};

t.test('a loop is behind when all of its rounds were long for 100 ms', async (t) => {
  const { round, many } = createLoop();
  t.same(round(90, [10, 89]), [false, false], 'one long round');
  t.same(round(10, [9]), [false], 'too early');
  t.same(round(20, [0, 0.9]), [false, false], 'what comes first is looked at');
  t.same(round(5, [0.9]), [false]);
  t.same(round(20, [19]), [false], 'one short round, and nobody was held');
  many(9, 10);
  t.same(round(20, [0, 1.1, 19]), [false, true, true]);
});

t.test('a loop that had nothing to do is not behind', async (t) => {
  const { round, rest, many } = createLoop();
  for (let i = 0; i < 20; i++) {
    t.same(round(60, [59]), [false]);
    rest(6);
  }
  many(20, 6);
  rest(4);
  t.same(round(20, [19]), [true], 'a moment between two rounds is no rest');
});

t.test('who was turned away is not read for some rounds', async (t) => {
  const { round, many, finish, isWaiting } = createLoop();
  many(20, 6);
  const all = Array.from({ length: 600 }, createConnection);
  const areRead = () => all.filter(({ isRead }) => isRead()).length;
  for (const connection of all.slice(0, 20)) t.same(round(6, [0.5, 2], connection), [false, true]);
  t.ok(all[0]?.isRead(), 'the first of them waited for one round');
  t.not(all[19]?.isRead(), 'the last one begins');
  finish(1);
  t.equal(areRead(), 600, 'all of them within a round or two');
  t.notOk(isWaiting(), 'and the loop rests');

  many(20, 6);
  t.same(
    round(
      60,
      all.map((_, i) => 2 + i / 100),
      all[0],
    ).filter((isRefused) => isRefused).length,
    600,
    'one that asks often is held once',
  );
  t.notOk(all[0]?.isRead());
  let count = 0;
  for (; isWaiting(); count++) finish(1);
  t.equal(count, 74, 'a sixty-fourth after each round, or eight');
  t.ok(all[0]?.isRead());
  t.same(round(20, [19]), [false], 'and then it is over');
});

const isBusyMs = (ms: number) => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};

const routes: Route[] = [
  {
    method: 'GET',
    path: '/work',
    body: 'none',
    handle: () => {
      isBusyMs(4);
      return { status: 204 };
    },
  },
  {
    method: 'POST',
    path: '/login',
    body: 'json',
    whenBehind: () => new AppError('overloaded', { retryAfterMs: 1500 }),
    handle: () => ({ status: 200 }),
  },
  { method: 'POST', path: '/refresh', body: 'json', handle: () => ({ status: 200 }) },
];

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const post = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;

/** Sends all of it at once on a connection that stays, and resolves to the answers. */
const openLine = (t: Test, port: number) => {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  return (requests: readonly string[]): Promise<string[]> =>
    new Promise((resolve, reject) => {
      let text = '';
      const onData = (data: Buffer) => {
        text += data.toString();
        const answers = text.split(/(?=HTTP\/1\.1 )/);
        if (answers.length < requests.length || !/\r\n\r\n/.test(answers.at(-1) ?? '')) return;
        socket.off('data', onData);
        resolve(answers);
      };
      socket.on('data', onData);
      socket.once('close', () => reject(new Error('the connection was closed')));
      socket.write(requests.join(''));
    });
};

const statusesOf = (answers: readonly string[]) => answers.map((answer) => answer.slice(9, 12));

t.test(
  'a server with too much to do refuses some unread, and keeps their connection',
  async (t) => {
    const { port } = await serveRoutes(t, { routes });
    const ask = openLine(t, port);
    const rounds = [get('/work'), get('/work'), post('/login'), post('/refresh'), get('/work')];
    t.same(statusesOf(await ask(rounds)), ['204', '204', '200', '200', '204'], 'it has time');
    let last: string[] = [];
    for (let tries = 0; tries < 1000 && !last[2]?.includes(' 503 '); tries++)
      last = await ask(rounds);
    t.same(statusesOf(last), ['204', '204', '503', '200', '204'], 'only routes that say so');
    t.match(last[2], /^retry-after: 2\r$/m);
    t.notMatch(last[2], /^connection: close\r$/im);
    t.match(last[2], /"error":"overloaded"/);
    t.same(statusesOf(await ask([get('/any')])), ['404'], 'the line is in order');
  },
);

t.test('a body that was refused unread is thrown away, unless it is long', async (t) => {
  const { port } = await serveRoutes(t, { routes });
  const refused = (length: number, type = 'text/plain') =>
    `POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
  const last = 'GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, s]) => s);
  t.same(statuses(await raw(port, `${refused(16 * 1024)}${last}`)), ['415', '404']);
  t.same(statuses(await raw(port, `${refused(16 * 1024 + 1)}${last}`)), ['415']);
  const chunked =
    'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n';
  t.same(statuses(await raw(port, `${chunked}${last}`)), ['415']);
});
