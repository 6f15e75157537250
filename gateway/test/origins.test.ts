/** Which pages may call: the guard of cookies, and CORS through the real HTTP server. */
import type { IncomingMessage } from 'node:http';
import t, { type Test } from 'tap';
import { codeOf } from '../../shared/errors.js';
import { createHttp, type Route } from '../../shared/http.js';
import { createOrigins } from '../origins.js';
import { send } from './request.js';

const listed = 'https://app.example';
const issuer = 'https://login.example';

const guarded = (headers: Record<string, string>, origins = [listed]): string => {
  const { guard } = createOrigins({ listed: origins, issuer });
  try {
    guard({ headers: { host: 'auth.internal:8080', ...headers } } as unknown as IncomingMessage);
    return 'ok';
  } catch (error) {
    return codeOf(error);
  }
};

t.test('a cookie changes something only for a page of ours or a listed one', async (t) => {
  const good: Record<string, string>[] = [
    {},
    { origin: listed },
    { origin: listed, 'sec-fetch-site': 'cross-site' },
    { origin: listed, 'sec-fetch-site': 'same-site' },
    { origin: issuer },
    { origin: 'http://auth.internal:8080' },
    { origin: issuer, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: 'null', 'sec-fetch-site': 'same-origin' },
  ];
  const bad: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'http://app.example' },
    { origin: 'https://app.example:444' },
    { origin: 'https://app.example.evil.example' },
    { origin: 'https://app.example/' },
    { origin: 'https://APP.example' },
    { origin: `${listed}, https://evil.example` },
    { origin: 'http://auth.internal' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-site' },
    { origin: issuer, 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'Same-Origin' },
    { 'sec-fetch-site': '' },
  ];
  for (const headers of good) t.equal(guarded(headers), 'ok', JSON.stringify(headers));
  for (const headers of bad) t.equal(guarded(headers), 'origin_refused', JSON.stringify(headers));
  t.equal(guarded({ origin: listed }, []), 'origin_refused', 'nothing is listed by default');
});

t.test('what an HTML form can send is refused whatever its origin', async (t) => {
  const types = [
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
  ];
  for (const type of [...types, 'text/plain; application/json', 'application/jsonp', ''])
    t.equal(guarded({ origin: listed, 'content-type': type }), 'unsupported_media_type', type);
  t.equal(guarded({ 'content-length': '2' }), 'unsupported_media_type');
  t.equal(guarded({ 'transfer-encoding': 'chunked' }), 'unsupported_media_type');
  t.equal(guarded({ 'content-length': '0' }), 'ok');
  t.equal(guarded({ 'content-type': 'application/json; charset=utf-8' }), 'ok');
});

const route = (method: string, path: string): Route => ({
  ...{ method, path, body: 'none' },
  handle: () => ({ status: 200, body: {} }),
});

const serve = async (t: Test, origins: string[]) => {
  const { decorate, preflight } = createOrigins({ listed: origins, issuer });
  const routes: Route[] = [
    ...[route('POST', '/v1/logout'), route('GET', '/v1/sessions'), route('DELETE', '/v1/sessions')],
    { ...route('*', '/v1/verify'), prefix: true },
  ];
  const log = { error: () => {}, warn: () => {} };
  const http = createHttp({ routes, log, preflight, ...(decorate ? { decorate } : {}) });
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => http.server.close());
  const address = http.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return (method: string, path: string, headers: Record<string, string> = {}) =>
    send(port, path, { method, headers });
};

const cors = (headers: object) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => /^(access-|vary)/.test(name)));

t.test('CORS: a listed origin may read, credentials included, and nobody else', async (t) => {
  const ask = await serve(t, [listed, 'https://two.example']);
  const forListed = {
    vary: 'Origin',
    'access-control-allow-origin': listed,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers':
      'X-Request-Id, Retry-After, WWW-Authenticate, X-Auth-User, X-Auth-Session, X-Auth-Scope, X-Auth-Client',
  };
  t.strictSame(cors((await ask('GET', '/v1/sessions', { origin: listed })).headers), forListed);
  const missing = await ask('GET', '/nothing', { origin: listed });
  t.equal(missing.status, 404);
  t.strictSame(cors(missing.headers), forListed, 'errors can be read too');
  for (const origin of [
    'https://evil.example',
    'null',
    '*',
    `${listed}.evil`,
    'http://app.example',
  ])
    t.strictSame(cors((await ask('GET', '/v1/sessions', { origin })).headers), { vary: 'Origin' });
  t.strictSame(cors((await ask('GET', '/v1/sessions')).headers), { vary: 'Origin' });
});

t.test('a preflight is answered without a token, for listed origins only', async (t) => {
  const ask = await serve(t, [listed]);
  const wants = { 'access-control-request-method': 'DELETE' };
  const yes = await ask('OPTIONS', '/v1/sessions', { origin: listed, ...wants });
  t.equal(yes.status, 204);
  t.match(yes.headers, {
    'access-control-allow-origin': listed,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, HEAD, DELETE',
    'access-control-allow-headers': 'Authorization, Content-Type',
    'access-control-max-age': '600',
    vary: 'Origin',
  });
  const no = await ask('OPTIONS', '/v1/sessions', { origin: 'https://evil.example', ...wants });
  t.equal(no.status, 405);
  t.strictSame(cors(no.headers), { vary: 'Origin' });
  t.equal((await ask('OPTIONS', '/v1/sessions', { origin: listed })).status, 405, 'no preflight');
  t.equal((await ask('OPTIONS', '/nothing', { origin: listed, ...wants })).status, 404);
  // Envoy asks with the client's method; a preflight of the upstream is no free pass.
  const asked = await ask('OPTIONS', '/v1/verify/x', { origin: listed, ...wants });
  t.equal(asked.status, 200, 'went to the token check');
  t.notOk(asked.headers['access-control-allow-methods']);
});

t.test('without CORS_ORIGINS nothing is said', async (t) => {
  const ask = await serve(t, []);
  t.strictSame(cors((await ask('GET', '/v1/sessions', { origin: listed })).headers), {});
  const wants = { origin: listed, 'access-control-request-method': 'DELETE' };
  t.equal((await ask('OPTIONS', '/v1/sessions', wants)).status, 405);
});
