import t from 'tap';
import { readExternal } from '../../issuers/identity.js';
import type { IntrospectionIssuer } from '../../issuers/settings.js';
import { outcomeOf } from '../store.js';
import { nowMs, nowSeconds } from '../tokens/fake-keys.js';

const settings: IntrospectionIssuer = {
  kind: 'introspection',
  name: 'partner',
  issuer: 'https://partner.example',
  audience: [],
  introspectionUrl: 'https://partner.example/introspect',
  clientId: 'c',
  clientSecret: 's',
  clientAuth: 'basic',
  tokenPrefix: undefined,
  scopePrefix: 'ext:partner:',
};
const read = (claims: object, scopePrefix = settings.scopePrefix) =>
  readExternal({ sub: 'alice', ...claims }, { ...settings, scopePrefix }, nowMs);

t.test('nothing of another issuer can be taken for ours', async (t) => {
  const { external } = read({ sub: 'u_1', scope: 'account admin', client_id: 'c_1' });
  t.strictSame(external, {
    sub: 'ext:partner:u_1',
    sid: '',
    scope: 'ext:partner:account ext:partner:admin',
    clientId: 'ext:partner:c_1',
  });
  t.equal(read({ scope: 'account' }, '').external.scope, 'account', 'by setting only');
  t.equal(read({ sub: 'partner2:u_1' }).external.sub, 'ext:partner:partner2:u_1');
});

t.test('a client without a subject is no user', async (t) => {
  t.equal(read({ sub: undefined, client_id: 'job' }).external.sub, 'ext-client:partner:job');
  t.equal(read({ azp: 'app' }).external.clientId, 'ext:partner:app');
  t.equal(read({}).external.clientId, '');
  t.equal(await outcomeOf(() => read({ sub: undefined })), 'token_invalid');
});

t.test('names are bounded and have no control characters', async (t) => {
  for (const sub of ['auth0|abc', 'a b', 'a%20b', 'Jörg', 'a,b;c="d"', 'x'.repeat(256)])
    t.equal(read({ sub }).external.sub, `ext:partner:${sub}`);
  const bad = ['', 'a\r\nX-Auth-User: u_1', 'a\0', '\u0085', '\ud800', 'x'.repeat(257)];
  for (const sub of [...bad, 7, null, ['alice'], {}])
    t.equal(await outcomeOf(() => read({ sub })), 'token_invalid', JSON.stringify(sub));
  for (const client_id of ['a\nb', 7])
    t.equal(await outcomeOf(() => read({ client_id })), 'token_invalid');
});

t.test('scopes', async (t) => {
  const scopeOf = (claims: object) => read(claims, '').external.scope;
  t.equal(scopeOf({ scope: 'a b' }), 'a b');
  t.equal(scopeOf({ scp: ['a', 'b'] }), 'a b');
  t.equal(scopeOf({ scope: ['a', 7, 'b c', 'd\n', ''] }), 'a', 'what is no scope is left out');
  t.equal(scopeOf({ scope: 'a\r\nX: y  b' }), 'y b');
  t.equal(scopeOf({ scope: { a: 1 } }), '');
  t.equal(scopeOf({}), '');
  t.equal(await outcomeOf(() => scopeOf({ scope: 'x'.repeat(5000) })), 'token_invalid');
});

t.test('times', async (t) => {
  const cases: [string, object, string][] = [
    ['no end', {}, 'ok'],
    ['ends later', { exp: nowSeconds + 1 }, 'ok'],
    ['ends now', { exp: nowSeconds }, 'token_expired'],
    ['exp 1e308', { exp: 1e308 }, 'token_invalid'],
    ['exp as text', { exp: String(nowSeconds + 9) }, 'token_invalid'],
    ['exp null', { exp: null }, 'token_invalid'],
    ['exp with a fraction', { exp: nowSeconds + 0.5 }, 'token_invalid'],
    ['from now on', { nbf: nowSeconds }, 'ok'],
    ['from our clock a little behind', { nbf: nowSeconds + 60, iat: nowSeconds + 60 }, 'ok'],
    ['not yet', { nbf: nowSeconds + 61 }, 'token_invalid'],
    ['issued later', { iat: nowSeconds + 61 }, 'token_invalid'],
    ['nbf as text', { nbf: '1' }, 'token_invalid'],
  ];
  for (const [name, claims, code] of cases)
    t.equal(await outcomeOf(() => read(claims)), code, name);
});

t.test('what is no bearer access token', async (t) => {
  const cases: object[] = [
    { cnf: { jkt: 'x' } },
    { cnf: { 'x5t#S256': 'x' } },
    { token_use: 'refresh_token' },
    { token_use: 'id' },
    { typ: 'Refresh' },
    { typ: 'ID' },
    { at_hash: 'x' },
  ];
  for (const claims of cases)
    t.equal(await outcomeOf(() => read(claims)), 'token_invalid', JSON.stringify(claims));
  for (const claims of [{ typ: 'Bearer' }, { token_use: 'access_token' }, { token_use: 'access' }])
    t.equal(await outcomeOf(() => read(claims)), 'ok', JSON.stringify(claims));
});
