/** Demands and dialects, through the real HTTP server, for callers that the test makes up. */
import t, { type Test } from 'tap';
import { AppError } from '../../shared/errors.js';
import { createHttp } from '../../shared/http.js';
import { createVerifyRoutes } from '../routes/verify.js';
import type { Claims } from '../tokens/verify.js';
import { send } from './request.js';

const sid = `${'u'.repeat(22)}.${'s'.repeat(22)}`;
const alice: Claims = {
  ...{ sub: 'u_alice', sid, gen: 1, scope: 'account orders', clientId: 'floodgate' },
  ...{ jti: 'j1', iat: 1_999_999_400, exp: 2_000_000_000, aud: 'x', u: 'u'.repeat(22), kid: 'k1' },
};

/** Asks as `claims`; 'nobody' carries no token. */
const serve = async (t: Test, claims: Claims | 'nobody' = alice) => {
  const identify = () => {
    if (claims === 'nobody') throw new AppError('token_missing');
    return claims;
  };
  const log = { error: (_: object, text: string) => t.fail(text), warn: () => {} };
  const http = createHttp({ routes: createVerifyRoutes({ identify }), log });
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => http.server.close());
  const address = http.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return (path: string, options: Parameters<typeof send>[2] = {}) => send(port, path, options);
};

/** Names of identity headers of any dialect in an answer. */
const identityOf = (headers: object) =>
  Object.entries(headers).filter(([name]) => /^(x-auth|remote-)/.test(name));
const meaning = ({ text }: { text: string }): string => JSON.parse(text).error_description;

t.test('dialects: each has its own headers and no other', async (t) => {
  const ask = await serve(t);
  const expected: Record<string, Record<string, string>> = {
    '': {
      ...{ 'x-auth-user': 'u_alice', 'x-auth-session': sid },
      ...{ 'x-auth-scope': 'account orders', 'x-auth-client': 'floodgate' },
    },
    '?headers=remote': { 'remote-user': 'u_alice', 'remote-groups': 'account,orders' },
    '?headers=x-auth-request': {
      ...{ 'x-auth-request-user': 'u_alice', 'x-auth-request-groups': 'account,orders' },
    },
    '?headers=x-authentik': {
      ...{ 'x-authentik-username': 'u_alice', 'x-authentik-uid': 'u_alice' },
      'x-authentik-groups': 'account|orders',
    },
  };
  expected['?'] = expected['?headers=x-auth'] = expected[''] ?? {};
  for (const [query, headers] of Object.entries(expected))
    for (let times = 0; times < 2; times++) {
      const answer = await ask(`/v1/verify${query}`);
      t.equal(answer.status, 200);
      t.strictSame(Object.fromEntries(identityOf(answer.headers)), headers, query);
    }
});

t.test('demands: all scopes, one of the clients', async (t) => {
  const ask = await serve(t);
  for (const query of ['scope=account', 'scope=orders+account', 'scope=orders%20account'])
    t.equal((await ask(`/v1/verify?${query}`)).status, 200, query);
  for (const query of ['client=floodgate', 'client=c_x+floodgate&scope=orders&headers=remote'])
    t.equal((await ask(`/v1/verify?${query}`)).status, 200, query);
  const few = await ask('/v1/verify?scope=account+admin');
  t.equal(few.status, 403);
  t.equal(
    few.headers['www-authenticate'],
    'Bearer realm="floodgate", error="insufficient_scope", error_description="The caller lacks a ' +
      'required scope or is not a required client.", scope="account admin"',
  );
  t.equal(JSON.parse(few.text).error, 'insufficient_scope');
  t.strictSame(identityOf(few.headers), []);
  const other = await ask('/v1/verify?client=c_x');
  t.equal(other.status, 403);
  t.notMatch(other.headers['www-authenticate'], /scope="/);
  for (const query of ['scope=accoun', 'scope=ACCOUNT', 'scope=accounts', 'client=floodgat'])
    t.equal((await ask(`/v1/verify?${query}`)).status, 403, query);
});

t.test('nobody meets no demand, and the challenge has no error code', async (t) => {
  const ask = await serve(t, 'nobody');
  for (const path of ['/v1/verify', '/v1/verify?scope=account', '/v1/verify/x']) {
    const answer = await ask(path);
    t.equal(answer.status, 401);
    t.equal(answer.headers['www-authenticate'], 'Bearer realm="floodgate"');
  }
});

t.test('a demand that cannot be read is refused, with a token and without', async (t) => {
  const unknown = 'Only the parameters headers, scope and client are known.';
  const cases: Record<string, RegExp> = {};
  for (const text of [
    ...['scopes=account', 'Scope=account', 'scope%3Daccount', '%73cope=account', 'scope[]=account'],
    ...['=account', '&', 'scope=account&', '&scope=account', 'scope=a&&client=b', 'role=admin'],
    ...['__proto__=x', 'scope+=a', ';scope=account', 'headers', 'toString', 'account', '?scope=a'],
  ])
    cases[text] = text === 'headers' ? /parameter headers is not valid/ : new RegExp(unknown);
  for (const text of ['scope', 'scope=', 'scope=+', 'scope=a++b', 'scope=a+', 'scope=%20a'])
    cases[text] = /The parameter scope is not valid\.$/;
  for (const text of ['scope=%', 'scope=%zz', 'scope=%C3', 'scope=%C3%A9', 'scope=a%0d%0ab'])
    cases[text] = /The parameter scope is not valid\.$/;
  for (const text of ['scope=%22', 'scope=a%5C', 'scope=a%00', 'scope=a%09b'])
    cases[text] = /The parameter scope is not valid\.$/;
  for (const text of ['client=', 'client', 'client=a%0ab'])
    cases[text] = /The parameter client is not valid\.$/;
  for (const text of ['headers=', 'headers=x', 'headers=Remote', 'headers=remote+x-auth'])
    cases[text] = /The parameter headers is not valid\.$/;
  for (const text of ['headers=__proto__', 'headers=constructor'])
    cases[text] = /The parameter headers is not valid\.$/;
  cases['scope=account&scope=account'] = /The parameter scope may appear only once\.$/;
  cases['client=a&scope=account&client=floodgate'] = /The parameter client may appear only once\.$/;
  cases['headers=remote&headers=x-auth'] = /The parameter headers may appear only once\.$/;
  for (const who of [alice, 'nobody'] as const) {
    const ask = await serve(t, who);
    for (const [text, sentence] of Object.entries(cases)) {
      const answer = await ask(`/v1/verify?${text}`);
      t.equal(answer.status, 400, text);
      t.match(meaning(answer), sentence, text);
    }
  }
});

t.test('below /v1/verify/ neither path nor query of a client decides anything', async (t) => {
  const ask = await serve(t);
  const plain = identityOf((await ask('/v1/verify')).headers);
  for (const path of [
    ...['/', '/orders?headers=remote', '/?headers=remote', '/?scope=admin', '/headers=remote/x'],
    ...['//?headers=remote', '/%3fheaders=remote', '/x?headers=bogus&scope', '/..;/x', '/a?b?c'],
  ]) {
    const answer = await ask(`/v1/verify${path}`);
    t.equal(answer.status, 200, path);
    t.strictSame(identityOf(answer.headers), plain, path);
  }
  for (const path of ['/v1/verify;headers=remote', '/v1/verify*', '/v1/verify%3fheaders=remote'])
    t.equal((await ask(path)).status, 404, path);
});

t.test('/v1/require: the demand is the first segment, the rest is the client’s', async (t) => {
  const ask = await serve(t);
  const demand = '/v1/require/scope=orders&headers=remote';
  for (const rest of [
    '',
    '/',
    '/orders/1?x=y',
    '/?headers=x-auth',
    '/scope=x/..',
    '?headers=x-auth',
  ]) {
    const answer = await ask(`${demand}${rest}`);
    t.equal(answer.status, 200, rest);
    t.strictSame(
      Object.fromEntries(identityOf(answer.headers)),
      { 'remote-user': 'u_alice', 'remote-groups': 'account,orders' },
      rest,
    );
  }
  for (const rest of ['', '/', '/x', '/x?scope=account', '/../scope=account', '/&scope=account'])
    t.equal((await ask(`/v1/require/scope=admin${rest}`)).status, 403, rest);
  t.equal((await ask('/v1/require/scope=a%2Fb/x')).status, 403, 'a slash of its own is encoded');
  // Configured without a demand it lets nobody in, whatever the client's path is.
  for (const path of ['', '/', '//scope=account', '?scope=account'])
    t.equal((await ask(`/v1/require${path}`)).status, 404, path);
  t.equal((await ask('/v1/require/api/x')).status, 400);
});

t.test('a client’s own identity headers change nothing', async (t) => {
  const ask = await serve(t);
  const headers = {
    ...{ 'x-auth-user': 'u_admin', 'remote-user': 'u_admin', 'x-auth-scope': 'admin' },
    ...{ 'x-forwarded-user': 'u_admin', 'x-auth-request-user': 'u_admin' },
    ...{ 'x-original-url': '/?headers=remote', 'x-forwarded-uri': '/?scope=account' },
  };
  const answer = await ask('/v1/verify', { headers });
  t.notMatch(JSON.stringify(answer.headers), /admin/);
  t.equal((await ask('/v1/verify?scope=admin', { headers })).status, 403);
  const bare = await (await serve(t, 'nobody'))('/v1/verify', { headers });
  t.equal(bare.status, 401);
});

t.test('any id is a safe header value, and no two ids the same', async (t) => {
  const odd: Record<string, string> = {
    'imported "id"': 'imported "id"',
    'a\r\nX-Auth-User: admin': 'a%0D%0AX-Auth-User:%20admin',
    ' lead': '%20lead',
    'trail ': 'trail%20',
    'two  spaces': 'two%20%20spaces',
    'é€😀': '%C3%A9%E2%82%AC%F0%9F%98%80',
    '50%': '50%25',
    '%C3%A9': '%25C3%25A9',
    'nul\0': 'nul%00',
    'tab\t': 'tab%09',
    'del\x7f': 'del%7F',
  };
  t.equal(new Set(Object.values(odd)).size, Object.keys(odd).length);
  for (const [sub, value] of Object.entries(odd)) {
    const ask = await serve(t, { ...alice, sub });
    t.equal((await ask('/v1/verify')).headers['x-auth-user'], value);
    t.equal((await ask('/v1/verify?headers=remote')).headers['remote-user'], value);
  }
  const broken = await serve(t, { ...alice, sub: 'a\ud800' });
  t.equal((await broken('/v1/verify')).status, 401);
});

t.test('a scope cannot pass for two groups', async (t) => {
  const ask = await serve(t, { ...alice, scope: 'a,admin b|admin' });
  const groups = async (name: string, header: string) =>
    (await ask(`/v1/verify?headers=${name}`)).headers[header];
  t.equal(await groups('remote', 'remote-groups'), 'a%2Cadmin,b|admin');
  t.equal(await groups('x-authentik', 'x-authentik-groups'), 'a,admin|b%7Cadmin');
  const none = await serve(t, { ...alice, scope: '' });
  t.equal((await none('/v1/verify?headers=remote')).headers['remote-groups'], '');
  t.equal((await none('/v1/verify?scope=a')).status, 403);
});

t.test('any method and an unread body, as proxies ask', async (t) => {
  const ask = await serve(t);
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'])
    for (const path of ['/v1/verify?scope=account', '/v1/verify/x', '/v1/require/scope=account/x'])
      t.equal((await ask(path, { method })).status, 200, `${method} ${path}`);
  const body = await ask('/v1/verify', { method: 'POST', body: 'not JSON' });
  t.equal(body.status, 200);
});

t.test('demands are remembered, but not without bound, and refusals not at all', async (t) => {
  const ask = await serve(t);
  for (let n = 0; n < 600; n++) t.equal((await ask(`/v1/verify?scope=s${n}`)).status, 403);
  t.equal((await ask('/v1/verify?scope=orders')).status, 200);
  t.equal((await ask('/v1/verify?scop=orders')).status, 400);
  t.equal((await ask('/v1/verify?scop=orders')).status, 400);
});
