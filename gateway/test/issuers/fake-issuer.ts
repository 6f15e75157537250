/** An issuer of the test's own: a real HTTP server that misbehaves when told to, and counts. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Test } from 'tap';
import type { IntrospectionIssuer, JwksIssuer } from '../../issuers/settings.js';
import { checkForeign } from '../../tokens/foreign.js';
import { createFakeKeys, type FakeKeys, forge, nowSeconds } from '../tokens/fake-keys.js';

export type Mode =
  | 'good'
  | 'hang'
  | 'hang in the body'
  | 'drop'
  | 'drop in the body'
  | 'status 500'
  | 'status 503'
  | 'status 401'
  | 'status 400'
  | 'status 204'
  | 'huge'
  | 'endless'
  | 'redirect'
  | 'html'
  | 'no type'
  | 'not json'
  | 'not utf8'
  | 'a list'
  | 'empty';

/** What is no proper answer, whatever was asked. Those that take the whole time limit come last. */
export const faults: readonly Mode[] = [
  'drop',
  'drop in the body',
  'status 500',
  'status 503',
  'status 401',
  'status 204',
  'huge',
  'endless',
  'redirect',
  'html',
  'no type',
  'not json',
  'not utf8',
  'a list',
  'empty',
  'hang',
  'hang in the body',
];

const json = { 'content-type': 'application/json' };

const formOf = async (req: IncomingMessage): Promise<URLSearchParams> => {
  let text = '';
  for await (const chunk of req) text += chunk;
  return new URLSearchParams(text);
};

const startEndless = (res: ServerResponse) => {
  res.writeHead(200, json);
  const more = () => {
    while (!res.destroyed && res.write(' '.repeat(16_384)));
    if (!res.destroyed) res.once('drain', more);
  };
  more();
};

export const startFakeIssuer = async (t: Test, name: string) => {
  const keys: FakeKeys[] = [createFakeKeys('EdDSA', `${name}-1`)];
  const state = {
    mode: 'good' as Mode,
    /** Answered after this pause. */
    delayMs: 0,
    /** Where `redirect` points. */
    elsewhere: '',
    /** More members of the key set, of whatever kind. */
    more: [] as object[],
    introspect: (_token: string): object => ({ active: false }),
  };
  const calls = { jwks: 0, introspect: 0, elsewhere: 0, now: 0, mostAtOnce: 0 };
  const seen: { authorization: string | undefined; form: URLSearchParams }[] = [];

  const jwks = () => ({
    keys: [
      ...state.more,
      ...keys.map(({ publicKey, signing: { kid, alg } }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg,
        use: 'sig',
      })),
    ],
  });

  const answers: Record<Mode, (res: ServerResponse, good: () => object) => void> = {
    good: (res, good) => res.writeHead(200, json).end(JSON.stringify(good())),
    hang: () => {},
    'hang in the body': (res) => void res.writeHead(200, json).write('{"active":'),
    drop: (res) => void res.destroy(),
    'drop in the body': (res, good) => {
      const text = JSON.stringify(good());
      res.writeHead(200, { ...json, 'content-length': text.length + 1 });
      res.write(text, () => res.destroy());
    },
    'status 500': (res, good) => res.writeHead(500, json).end(JSON.stringify(good())),
    'status 503': (res) => res.writeHead(503, json).end('{}'),
    'status 401': (res) => res.writeHead(401, json).end('{"error":"invalid_client"}'),
    'status 400': (res) => res.writeHead(400, json).end('{"error":"invalid_request"}'),
    'status 204': (res) => res.writeHead(204).end(),
    huge: (res, good) =>
      res.writeHead(200, json).end(JSON.stringify({ ...good(), x: 'x'.repeat(200_000) })),
    endless: startEndless,
    redirect: (res) => res.writeHead(302, { location: state.elsewhere }).end(),
    html: (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Sign in</h1>'),
    'no type': (res, good) => res.writeHead(200).end(JSON.stringify(good())),
    'not json': (res) => res.writeHead(200, json).end('{"active":true'),
    'not utf8': (res) => res.writeHead(200, json).end(Buffer.from('7b2278223a22ff227d', 'hex')),
    'a list': (res, good) => res.writeHead(200, json).end(JSON.stringify([good()])),
    empty: (res) => res.writeHead(200, json).end(),
  };

  const handle = async (req: IncomingMessage, res: ServerResponse) => {
    calls.mostAtOnce = Math.max(calls.mostAtOnce, ++calls.now);
    res.once('close', () => calls.now--);
    const { mode, delayMs } = state;
    let good: () => object = () => ({});
    if (req.url === '/jwks') {
      calls.jwks++;
      good = jwks;
    } else if (req.url === '/introspect') {
      calls.introspect++;
      const form = await formOf(req);
      seen.push({ authorization: req.headers.authorization, form });
      good = () => state.introspect(form.get('token') ?? '');
    } else calls.elsewhere++;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    answers[mode](res, good);
  };

  const server = createServer((req, res) => void handle(req, res).catch(() => res.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A test that fails before its end must not wait for this server.
  server.unref();
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const base = `http://127.0.0.1:${port}`;
  state.elsewhere = `${base}/elsewhere`;
  const issuer = `https://${name}.example`;
  const common = { name, issuer, scopePrefix: `ext:${name}:` };

  const jwksSettings: JwksIssuer = {
    kind: 'jwks',
    ...common,
    audience: ['https://api.example'],
    jwksUrl: `${base}/jwks`,
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    typ: 'at+jwt',
  };
  const introspectionSettings: IntrospectionIssuer = {
    kind: 'introspection',
    ...common,
    audience: [],
    introspectionUrl: `${base}/introspect`,
    clientId: 'gateway',
    clientSecret: 'a secret',
    clientAuth: 'basic',
    tokenPrefix: undefined,
  };

  return {
    base,
    issuer,
    keys,
    state,
    calls,
    seen,
    jwksSettings,
    introspectionSettings,
    /** A token of this issuer, by its first key unless another is given. */
    token: ({ header = {}, claims = {}, key = keys[0] }: Forged = {}): string => {
      if (key === undefined) throw new Error('no key');
      const own = { iss: issuer, sub: 'alice', client_id: 'app', sid: undefined, gen: undefined };
      return forge(key, { header, claims: { ...own, exp: nowSeconds + 3600, ...claims } });
    },
    rotate: (kid: string) => keys.splice(0, keys.length, createFakeKeys('EdDSA', kid)),
  };
};

type Forged = { header?: object; claims?: object; key?: FakeKeys };
export type FakeIssuer = Awaited<ReturnType<typeof startFakeIssuer>>;

export const checkSignature = checkForeign;
