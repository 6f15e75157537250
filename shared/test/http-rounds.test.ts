/**
 * Refusing unread while the event loop is behind: the rule by a clock of its own, and a server that has
 * too much to do.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { AppError } from '../errors.js';
import type { Route } from '../http.js';
import { createRounds } from '../http-rounds.js';
import { makeAuthority } from './certs.js';
import { serveRoutes } from './serve-routes.js';

/** A connection of which the test sees whether it is read. */
const createConnection = () => {
  let isRead = true;
  let isDestroyed = false;
  return {
    pause: () => {
      isRead = false;
    },
    resume: () => {
      isRead = true;
    },
    destroy: () => {
      isDestroyed = true;
    },
    isRead: () => isRead,
    isDestroyed: () => isDestroyed,
  };
};
type Connection = ReturnType<typeof createConnection>;

/** A loop whose time is the test's. `round` lets one take so long, and says who was turned away. */
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
  /** Asks so many ms after its start, each on the next connection. */
  const round = (
    durationMs: number,
    askAfterMs: readonly number[] = [0],
    from: readonly Connection[] = [createConnection()],
  ): boolean[] => {
    const refused = askAfterMs.map((after, i) =>
      rounds.turnAway(at + after, from[i % from.length] ?? createConnection()),
    );
    finish(durationMs);
    return refused;
  };
  const rest = (ms: number) => {
    at += ms;
  };
  const many = (count: number, durationMs: number) => {
    for (let i = 0; i < count; i++) round(durationMs);
  };
  return { round, rest, many, finish, isWaiting: () => end !== undefined, release: rounds.release };
};

t.test('a loop is behind when all of its rounds were long for 100 ms', async (t) => {
  const { round, many, rest } = createLoop();
  t.same(round(110, [10, 80]), [false, false], 'one long round');
  many(2, 6);
  t.same(round(20, [0, 1, 1.1, 19]), [false, false, true, true], 'but who comes first');
  t.same(round(20, [18, 19, 19.1]), [false, false, true], 'by the first of those who ask');
  rest(50);
  t.same(round(20, [0, 1, 1.1]), [false, false, true], 'a rest does not end it');
  many(20, 4);
  t.same(round(20, [0, 19]), [false, true]);
  many(26, 4);
  t.same(round(20, [0, 19]), [false, false], 'that nobody was turned away for 100 ms does');
  many(4, 20);
  t.same(round(20, [0, 19]), [false, true]);
});

t.test('a stall makes nobody behind', async (t) => {
  const { round, many } = createLoop();
  many(5, 1);
  t.same(round(3000, [0, 2999]), [false, false]);
  t.same(round(200, [0, 199]), [false, false], 'what came meanwhile');
  t.same(round(4, [0, 3]), [false, false]);
  many(4, 20);
  t.same(round(20, [0, 19]), [false, false], 'too early');
  t.same(round(20, [0, 19]), [false, true]);
});

t.test('a loop that had nothing to do is not behind', async (t) => {
  const { round, rest, many } = createLoop();
  for (let i = 0; i < 20; i++) {
    t.same(round(60, [0, 59]), [false, false]);
    rest(61);
  }
  many(20, 6);
  rest(4);
  t.same(round(20, [0, 19]), [false, true], 'a moment between two rounds is no rest');
});

t.test('who was turned away is not read for some rounds', async (t) => {
  const { round, many, finish, isWaiting } = createLoop();
  const all = Array.from({ length: 320 }, createConnection);
  const countRead = () => all.filter(({ isRead }) => isRead()).length;
  many(20, 6);
  round(40, [0, ...all.map((_, i) => 2 + i / 10)], [createConnection(), ...all]);
  t.equal(countRead(), 0);
  finish(1);
  t.equal(countRead(), 10, 'a part after each round');
  finish(1);
  t.equal(countRead(), 20);
  let count = 2;
  for (; isWaiting(); count++) finish(1);
  t.equal(countRead(), 320, 'and all in the end');
  t.equal(count, 39, 'of the last ones eight at a time');
});

t.test('one that asks often is held once, and one that asks too often is cut off', async (t) => {
  const { round, many, finish } = createLoop();
  const [often, tooOften, other] = [createConnection(), createConnection(), createConnection()];
  many(20, 6);
  const asks = Array.from({ length: 16 }, (_, i) => 3 + i);
  round(20, [0, 2, ...asks.slice(0, 15)], [other, ...Array.from({ length: 16 }, () => often)]);
  t.notOk(often.isRead());
  finish(1);
  t.ok(often.isRead());
  t.notOk(often.isDestroyed());
  many(20, 6);
  round(20, [0, 2, ...asks], [other, ...Array.from({ length: 17 }, () => tooOften)]);
  t.ok(tooOften.isDestroyed());
});

t.test('a server that stops reads from everybody', async (t) => {
  const { round, many, release } = createLoop();
  const connection = createConnection();
  many(20, 6);
  t.same(round(20, [0, 2], [createConnection(), connection]), [false, true]);
  t.notOk(connection.isRead());
  release();
  t.ok(connection.isRead());
  t.same(round(20, [0, 2]), [false, false]);
});

const spin = (ms: number) => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};

const routes: Route[] = [
  {
    method: 'GET',
    path: '/work',
    body: 'none',
    handle: () => {
      spin(4);
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
const openLine = (t: Test, socket: Socket) => {
  t.teardown(() => socket.destroy());
  const closed = once(socket, 'close').then((): never => {
    throw new Error('the connection was closed');
  });
  closed.catch(() => {});
  const answersTo = (count: number) =>
    new Promise<string[]>((resolve) => {
      let text = '';
      const onData = (data: Buffer) => {
        text += data.toString();
        const answers = text.split(/(?=HTTP\/1\.1 )/);
        if (answers.length < count || !/\r\n\r\n/.test(answers.at(-1) ?? '')) return;
        socket.off('data', onData);
        resolve(answers);
      };
      socket.on('data', onData);
    });
  return (requests: readonly string[]): Promise<string[]> => {
    socket.write(requests.join(''));
    return Promise.race([answersTo(requests.length), closed]);
  };
};

/** With a body whose length is not said. */
const chunkedLogin =
  'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '2\r\n{}\r\n0\r\n\r\n';

const statusesOf = (answers: readonly string[]) => answers.map((answer) => answer.slice(9, 12));

/** On a server that has time at first. */
const expectRefusals = async (t: Test, port: number, dial: (port: number) => Socket) => {
  const ask = openLine(t, dial(port));
  const rounds = [post('/login'), get('/work'), get('/work'), post('/login'), post('/refresh')];
  t.same(statusesOf(await ask(rounds)), ['200', '204', '204', '200', '200'], 'it has time');
  let last: string[] = [];
  for (let tries = 0; tries < 1000 && !last[3]?.includes(' 503 '); tries++)
    last = await ask(rounds);
  t.same(statusesOf(last), ['200', '204', '204', '503', '200'], 'not the first, and logins only');
  t.match(last[3], /^retry-after: 2\r$/m);
  t.notMatch(last[3], /^connection: close\r$/im);
  t.match(last[3], /"error":"overloaded"/);
  t.same(statusesOf(await ask([get('/any')])), ['404'], 'the line is in order');

  const other = openLine(t, dial(port));
  const closing = [post('/login'), get('/work'), get('/work'), get('/work'), chunkedLogin];
  let answers: string[] = [];
  for (let tries = 0; tries < 1000 && !answers[4]?.includes(' 503 '); tries++)
    answers = await other(closing);
  t.match(answers[4], /^connection: close\r$/im, 'nobody knows how long that body is');
};

t.test('too much to do: some are refused unread, and their connection is kept', async (t) => {
  const { port } = await serveRoutes(t, { routes });
  await expectRefusals(t, port, (to) => connect(to, '127.0.0.1'));
});

t.test('the same over TLS', async (t) => {
  const authority = await makeAuthority(t);
  const { certFile, keyFile } = await authority.make('server', 'floodgate://any', 'server');
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const { port } = await serveRoutes(t, { routes, tls });
  await expectRefusals(t, port, (to) =>
    connectTls({ port: to, host: '127.0.0.1', rejectUnauthorized: false }),
  );
});
