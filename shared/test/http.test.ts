/** The HTTP server against raw sockets: what a client library would never send. */
import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { AppError } from '../errors.js';
import { type HttpOptions, type Route, withHead } from '../http.js';
import { raw, serveRoutes } from './serve-routes.js';

const routes: Route[] = [
  {
    method: 'POST',
    path: '/echo',
    body: 'json',
    handle: (_ctx, body) => ({ status: 200, body }),
  },
  {
    method: '*',
    path: '/any',
    prefix: true,
    body: 'none',
    handle: ({ path }) => ({ status: 200, headers: { 'x-path': path } }),
  },
  {
    method: 'GET',
    path: '/boom',
    body: 'none',
    handle: () => {
      throw new Error('marker: an inner message');
    },
  },
  {
    method: 'GET',
    path: '/busy',
    body: 'none',
    handle: async () => {
      throw new AppError('overloaded', { retryAfterMs: 2500, detail: 'marker: for the log' });
    },
  },
  {
    method: 'GET',
    path: '/token',
    body: 'none',
    handle: () => {
      throw new AppError('token_invalid');
    },
  },
];

const who = { status: 200, headers: { 'x-auth-user': 'u_1', 'x-auth-scope': 'a b' } };
/** One answer, built each time and made once. */
const twins: Route[] = [
  { method: '*', path: '/built', body: 'none', handle: () => who },
  { method: '*', path: '/ready', body: 'none', handle: () => ready },
];
const ready = withHead(who);

const serve = (t: Pick<Test, 'teardown'>, options: Partial<HttpOptions> = {}) =>
  serveRoutes(t, { routes, ...options });

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const bodyOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
const post = (body: string, head = '') =>
  `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const get = (path: string, head = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head}\r\n`;

t.test('every refusal has a status, a code, a request id and one shape', async (t) => {
  const { port } = await serve(t);
  const big = `{"a":"${'x'.repeat(17_000)}"}`;
  const cases: [string, string, number, string][] = [
    ['unknown path', get('/none'), 404, 'not_found'],
    ['other method', get('/echo'), 405, 'method_not_allowed'],
    [
      'TRACE',
      'TRACE /any HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      405,
      'method_not_allowed',
    ],
    ['no Host', 'GET /any HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'bad_request'],
    ['two Hosts', get('/any', 'Host: y\r\n'), 400, 'bad_request'],
    [
      'a list as Host',
      'GET /any HTTP/1.1\r\nHost: a, b\r\nConnection: close\r\n\r\n',
      400,
      'bad_request',
    ],
    ['absolute form', get('http://evil/any'), 400, 'bad_request'],
    [
      'two Authorizations',
      get('/any', 'Authorization: a\r\nauthorization: b\r\n'),
      400,
      'bad_request',
    ],
    ['two Content-Types', post('{}', 'content-type: text/plain\r\n'), 400, 'bad_request'],
    ['101 header lines', get('/any', 'X-A: b\r\n'.repeat(99)), 431, 'headers_too_large'],
    ['2000 header lines', get('/any', 'A: b\r\n'.repeat(2000)), 431, 'headers_too_large'],
    ['a header of 20 KiB', get('/any', `X-A: ${'b'.repeat(20_000)}\r\n`), 431, 'headers_too_large'],
    ['body too large', post(big), 413, 'payload_too_large'],
    [
      'chunked body too large',
      `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
      413,
      'payload_too_large',
    ],
    ['length and chunked', post('{}', 'Transfer-Encoding: chunked\r\n'), 400, 'bad_request'],
    [
      'form type',
      'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
      415,
      'unsupported_media_type',
    ],
    [
      'no type',
      'POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
      415,
      'unsupported_media_type',
    ],
    ['gzip', post('{}', 'Content-Encoding: gzip\r\n'), 415, 'unsupported_media_type'],
    [
      'latin1',
      'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=latin1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
      415,
      'unsupported_media_type',
    ],
    ['bad JSON', post('{'), 400, 'bad_request'],
    ['odd expectation', post('{}', 'Expect: magic\r\n'), 400, 'bad_request'],
    ['not HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
    ['a space before the colon', get('/any', 'X-A : b\r\n'), 400, 'bad_request'],
    ['an unknown method', 'BREW /any HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad_request'],
    ['an error of our own making', get('/boom'), 500, 'internal'],
    ['a refusal', get('/busy'), 503, 'overloaded'],
    ['a bad token', get('/token'), 401, 'token_invalid'],
  ];
  for (const [name, bytes, status, code] of cases) {
    const answer = await raw(port, bytes);
    t.equal(statusOf(answer), status, `${name}: status`);
    const body = bodyOf(answer);
    t.equal(body.error, code, `${name}: code`);
    t.match(body, { error_description: String, request_id: String }, `${name}: shape`);
    t.match(answer, /cache-control: no-store/i, `${name}: not cached`);
    t.match(answer, new RegExp(`x-request-id: ${body.request_id}`, 'i'), `${name}: same id`);
    t.notMatch(answer, 'marker', `${name}: nothing internal`);
  }
});

t.test('headers that go with a code', async (t) => {
  const { port } = await serve(t);
  t.match(await raw(port, get('/busy')), /retry-after: 3\r\n/i);
  t.match(
    await raw(port, get('/token')),
    /www-authenticate: Bearer realm="floodgate", error="invalid_token"/i,
  );
  t.match(await raw(port, get('/echo')), /allow: POST\r\n/i);
});

t.test('what must work', async (t) => {
  const { port } = await serve(t);
  t.same(bodyOf(await raw(port, post('{"a":"ü"}'))), { a: 'ü' });
  t.equal(statusOf(await raw(port, get('/any', 'X-A: b\r\n'.repeat(98)))), 200, '100 header lines');
  t.match(await raw(port, get('/any/below?x=1')), /x-path: \/any\/below\r\n/i);
  t.match(await raw(port, post('{}', 'Expect: 100-continue\r\n')), /^HTTP\/1\.1 100 Continue/);
  const head = await raw(port, 'HEAD /any HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.equal(statusOf(head), 200);
});

t.test('slow clients get 408', async (t) => {
  const { port } = await serve(t);
  const slowHead = raw(port, 'GET /any HTTP/1.1\r\nHost: x\r\n');
  const answer = await slowHead;
  t.equal(statusOf(answer), 408);
  t.equal(bodyOf(answer).error, 'request_timeout');
});

t.test('a refused caller is refused before the body is read', async (t) => {
  const { port } = await serve(t, {
    before: () => {
      throw new AppError('not_authenticated');
    },
  });
  const head =
    'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n';
  t.equal(statusOf(await raw(port, head, /request_id/)), 401);
});

t.test('ten requests in one go, again and again, are answered', async (t) => {
  const { port } = await serve(t);
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  let answers = 0;
  socket.on('data', (data) => {
    answers += data.toString().match(/^HTTP\/1\.1 200/gm)?.length ?? 0;
  });
  for (let round = 1; round <= 5; round++) {
    socket.write('GET /any HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(10));
    while (answers < 10 * round) await once(socket, 'data');
  }
  t.equal(answers, 50);
});

t.test('who asks on and on and reads nothing is cut off', async (t) => {
  let answered = 0;
  const handle = () => {
    answered++;
    return { status: 200, text: 'x'.repeat(100_000) };
  };
  const long: Route = { method: 'GET', path: '/long', body: 'none', handle };
  const { port, server } = await serve(t, { routes: [long] });
  const closed = new Promise((resolve) =>
    server.once('connection', (socket) => socket.once('close', resolve)),
  );
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  socket.pause();
  socket.write('GET /long HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(400));
  await closed;
  t.ok(answered < 20, `${answered} answers`);
});

t.test('a connection whose client never reads its answer is closed', async (t) => {
  const text = 'x'.repeat(20_000_000);
  const handle = () => ({ status: 200, text });
  const long: Route = { method: 'GET', path: '/long', body: 'none', handle };
  const { port, server } = await serve(t, { routes: [long], standstillMs: 100 });
  const closed = new Promise((resolve) =>
    server.once('connection', (socket) => socket.once('close', resolve)),
  );
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  socket.pause();
  socket.write('GET /long HTTP/1.1\r\nHost: a\r\n\r\n');
  await closed;
  t.equal(await raw(port, 'GET /long HTTP/1.0\r\nHost: a\r\n\r\n').then(statusOf), 200);
});

t.test('one address holds at most its share of connections', async (t) => {
  const { port } = await serve(t, {
    perClient: { max: 2, keyOf: ({ remoteAddress }) => remoteAddress },
  });
  const open = await Promise.all(
    [1, 2].map(
      () =>
        new Promise<ReturnType<typeof connect>>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(socket));
        }),
    ),
  );
  const third = await raw(port, get('/any')).catch(() => '');
  t.equal(third, '', 'closed without an answer');
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(statusOf(await raw(port, get('/any'))), 200, 'free again');
});

t.test(
  'stop answers keep-alive clients and takes new ones until the listener closes',
  async (t) => {
    const { port, stop } = await serve(t);
    const stopped = stop(200);
    const answer = await raw(port, 'GET /any HTTP/1.1\r\nHost: x\r\n\r\n');
    t.equal(statusOf(answer), 200);
    t.match(answer, /connection: close/i);
    await stopped;
    await t.rejects(raw(port, get('/any')));
  },
);

t.test('a stop that has time ends no idle connection that was promised to be kept', async (t) => {
  const { port, stop } = await serve(t, { keepAliveMs: 2000 });
  const answers: string[] = [];
  const idle = connect(port, '127.0.0.1');
  idle.on('data', (data: Buffer) => answers.push(data.toString()));
  const until = async (count: number) => {
    while (answers.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  idle.write('GET /any HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(1);
  let isPatient = true;
  let isStopped = false;
  const stopped = stop(50, () => isPatient).then(() => {
    isStopped = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  await t.rejects(raw(port, get('/any')), 'nobody new');
  t.equal(isStopped, false);
  idle.write('GET /any HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(2);
  t.match(answers[1], /connection: close/i, 'served, and asked to go');
  await stopped;

  const second = await serve(t, { keepAliveMs: 60_000 });
  const other = connect(second.port, '127.0.0.1');
  other.write('GET /any HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => other.once('data', resolve));
  const ended = second.stop(50, () => isPatient);
  isPatient = false;
  await ended;
});

/** Without what differs from answer to answer. */
const lasting = (answer: string): string =>
  answer.replaceAll(/^(x-request-id|date): .*/gim, '$1: …');

t.test('an answer whose head was made once is the answer that is built each time', async (t) => {
  const { port } = await serve(t, { routes: twins, keepAliveMs: 1500 });
  const requests: [string, (path: string) => string][] = [
    ['kept alive', (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['the last one', (path) => get(path)],
    ['HEAD', (path) => `HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['HTTP/1.0', (path) => `GET ${path} HTTP/1.0\r\nHost: x\r\n\r\n`],
    [
      'HTTP/1.0, kept',
      (path) => `GET ${path} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n`,
    ],
    [
      'a body that nobody reads',
      (path) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`,
    ],
    ['three at once', (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(3)],
  ];
  for (const [name, make] of requests) {
    // Each ends when the server closes the idle connection.
    const [built, made] = await Promise.all([raw(port, make('/built')), raw(port, make('/ready'))]);
    t.equal(lasting(made), lasting(built), name);
    t.match(made, /^x-request-id: [\w-]{10,}\r$/m, name);
    const [, date = ''] = /^date: (.*)\r$/im.exec(made) ?? [];
    t.equal(new Date(date).toUTCString(), date, name);
    t.ok(Math.abs(Date.parse(date) - Date.now()) < 60_000, name);
  }
});

t.test('a head that was made once does not go through writeHead', async (t) => {
  const handle: Route['handle'] = ({ res }) => {
    res.writeHead = () => {
      throw new Error('this Node does not send a head that was left for it');
    };
    return ready;
  };
  const { port } = await serve(t, {
    routes: [{ method: 'GET', path: '/ready', body: 'none', handle }],
  });
  const answer = await raw(port, 'GET /ready HTTP/1.1\r\nHost: x\r\n\r\n', /\r\n\r\n/);
  t.match(answer, /^x-auth-user: u_1\r$/m);
});

t.test('a head that was made once is left alone where there is more to say', async (t) => {
  const decorate = (_req: unknown, headers: Record<string, string>) => {
    headers['x-load'] = '1';
  };
  const { port } = await serve(t, { routes: twins, decorate });
  t.match(await raw(port, get('/ready')), /^x-load: 1\r$/m);
  const { port: other, stop } = await serve(t, { routes: twins });
  const stopped = stop(200);
  const request = 'GET /ready HTTP/1.1\r\nHost: x\r\n\r\n';
  t.match(await raw(other, request), /^connection: close\r$/im, 'also of a server that stops');
  await stopped;
});

t.test('no header is smuggled into a head', async (t) => {
  for (const value of ['a\r\nx-auth-user: root', 'a\nb', 'a\0', '\u0141'])
    t.throws(() => withHead({ status: 200, headers: { 'x-auth-user': value } }));
});

t.test('the cause of a failure is logged once, in our words, not those of the route', async (t) => {
  const lines: object[] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push({ ...fields, level, text });
  const cause = new Error('NOPERM for the log');
  const refuse = (code: 'store_unavailable' | 'overloaded', why?: Error) => () => {
    throw new AppError(code, { cause: why, detail: 'for the log' });
  };
  const translate = () => new AppError('temporarily_unavailable');
  const failing: Route[] = [
    {
      method: 'GET',
      path: '/lost',
      body: 'none',
      translate,
      handle: refuse('store_unavailable', cause),
    },
    { method: 'GET', path: '/full', body: 'none', translate, handle: refuse('overloaded') },
  ];
  const log = { error: at('error'), warn: at('warn') };
  const { port } = await serve(t, { routes: [...routes, ...failing], log });
  for (const path of ['/lost', '/lost', '/full', '/busy', '/token', '/none', '/boom', '/boom']) {
    const answer = await raw(port, get(path));
    t.notMatch(answer, 'for the log');
    if (path === '/lost') t.equal(bodyOf(answer).error, 'temporarily_unavailable');
  }
  t.match(lines, [
    { level: 'warn', route: '/lost', code: 'store_unavailable', err: { cause } },
    { level: 'error', text: 'internal error', route: '/boom' },
    { level: 'error', text: 'internal error', route: '/boom' },
  ]);
});

t.test('a client that leaves is no failure of ours', async (t) => {
  const lines: object[] = [];
  const write = (fields: object) => void lines.push(fields);
  let failed = () => {};
  const observed = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const slow: Route = {
    ...{ method: 'GET', path: '/slow', body: 'none' },
    handle: async ({ res }) => {
      await new Promise((resolve) => res.once('close', resolve));
      throw new AppError('timeout', { detail: 'aborted' });
    },
  };
  const { port } = await serve(t, {
    routes: [slow],
    log: { error: write, warn: write },
    observe: failed,
  });
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  setTimeout(() => socket.destroy(), 50);
  await observed;
  t.same(lines, []);
});
