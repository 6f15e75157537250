import { createHmac } from 'node:crypto';
import t, { type Test } from 'tap';
import { createIssuers } from '../../issuers/issuers.js';
import type { IssuerSettings } from '../../issuers/settings.js';
import { outcomeOf, quiet } from '../store.js';
import { createFakeKeys, encode, nowMs, nowSeconds, sessionId } from '../tokens/fake-keys.js';
import { checkSignature, type FakeIssuer, faults, startFakeIssuer } from './fake-issuer.js';

// A fault that takes the whole time limit is waited for.
t.setTimeout(120_000);

const open = (settings: readonly IssuerSettings[], size = 1000) => {
  /** `step`: by which somebody has set the time of day. */
  const clock = { now: nowMs, step: 0 };
  const issuers = createIssuers({
    ...{ settings, checkSignature, log: quiet, size },
    now: () => clock.now + clock.step,
    clock: () => clock.now,
  });
  const verify = async (token: string) => issuers.verify(token);
  const outcome = (token: string) => outcomeOf(() => issuers.verify(token));
  const counts = (at = 0) => issuers.stats().issuers[at]?.checks;
  return { ...issuers, clock, verifySoon: verify, outcome, counts };
};

const setupJwks = async (t: Test, more: object = {}) => {
  const issuer = await startFakeIssuer(t, 'partner');
  return { issuer, ...open([{ ...issuer.jwksSettings, ...more }]) };
};

const setupOpaque = async (t: Test, more: object = {}) => {
  const issuer = await startFakeIssuer(t, 'legacy');
  issuer.state.introspect = (token) => ({ active: token.startsWith('good'), sub: 'bob' });
  return { issuer, ...open([{ ...issuer.introspectionSettings, ...more }]) };
};

t.test('a JWT is valid; the second time at once, without the issuer', async (t) => {
  const { issuer, verify, verifySoon, counts } = await setupJwks(t);
  const token = issuer.token({ claims: { scope: 'read write' } });
  const external = await verifySoon(token);
  t.strictSame(external, {
    sub: 'ext:partner:alice',
    sid: '',
    scope: 'ext:partner:read ext:partner:write',
    clientId: 'ext:partner:app',
  });
  t.equal(verify(token), external, 'no promise on a hit');
  t.equal(issuer.calls.jwks, 1);
  t.strictSame(counts(), { hit: 1, shared: 0, valid: 1, invalid: 0, unknown: 0 });
});

t.test('a burst with one token is one check and one reading of the keys', async (t) => {
  const { issuer, verifySoon, counts } = await setupJwks(t);
  const token = issuer.token();
  await Promise.all(Array.from({ length: 100 }, () => verifySoon(token)));
  t.match(counts(), { valid: 1, shared: 99 });
  await Promise.all(
    Array.from({ length: 100 }, (_, at) => verifySoon(issuer.token({ claims: { jti: `j${at}` } }))),
  );
  t.equal(issuer.calls.jwks, 1);
});

t.test('attacks on JWTs of other issuers', async (t) => {
  const { issuer, outcome, clock } = await setupJwks(t);
  const key = issuer.keys[0];
  if (key === undefined) throw new Error('no key');
  const rsa = createFakeKeys('RS256', 'rsa');
  const small = createFakeKeys('ES256', 'ec');
  issuer.keys.push(rsa, small);
  const stranger = createFakeKeys('EdDSA', 'partner-1');
  const leaked = createFakeKeys('EdDSA', 'leaked');
  issuer.state.more = [
    { ...leaked.signing.privateKey.export({ format: 'jwk' }), kid: 'leaked', alg: 'EdDSA' },
    { kty: 'oct', kid: 'shared', alg: 'HS256', k: Buffer.from('secret').toString('base64url') },
  ];
  const good = issuer.token();
  const [head = '', body = '', signature = ''] = good.split('.');
  const withHead = (header: object) => `${encode(header)}.${body}.${signature}`;
  const hmac = (secret: string | Buffer, kid: string) => {
    const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid })}.${body}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const jwk = stranger.publicKey.export({ format: 'jwk' });
  const own = { alg: 'EdDSA', typ: 'at+jwt', kid: 'partner-1' };
  const ed = (header: object) => issuer.token({ header });
  const claims = (more: object) => issuer.token({ claims: more });
  const cases: [string, string, string][] = [
    ['the good one', good, 'ok'],
    ['by the RSA key', issuer.token({ key: rsa }), 'ok'],
    ['by the EC key', issuer.token({ key: small }), 'ok'],
    ['alg none', withHead({ ...own, alg: 'none' }), 'token_invalid'],
    ['alg NONE', withHead({ ...own, alg: 'NONE' }), 'token_invalid'],
    ['another algorithm', withHead({ ...own, alg: 'RS256' }), 'token_invalid'],
    ['alg not configured', issuer.token({ key: rsa, header: { alg: 'PS256' } }), 'token_invalid'],
    [
      'HMAC with the public key',
      hmac(rsa.publicKey.export({ format: 'pem', type: 'spki' }), 'rsa'),
      'token_invalid',
    ],
    ['HMAC with a key of the set', hmac('secret', 'shared'), 'token_invalid'],
    ['a stranger with its key id', issuer.token({ key: stranger }), 'token_invalid'],
    ['an embedded key', issuer.token({ key: stranger, header: { jwk } }), 'token_invalid'],
    [
      'a key from elsewhere',
      issuer.token({ key: stranger, header: { jku: `${issuer.base}/elsewhere` } }),
      'token_invalid',
    ],
    ['crit', ed({ crit: ['exp'] }), 'token_invalid'],
    ['unencoded payload', ed({ b64: false, crit: ['b64'] }), 'token_invalid'],
    ['typ JWT', ed({ typ: 'JWT' }), 'token_invalid'],
    ['no typ', ed({ typ: undefined }), 'token_invalid'],
    ['typ of a logout token', ed({ typ: 'logout+jwt' }), 'token_invalid'],
    ['changed body', `${head}.${encode({ iss: issuer.issuer })}.${signature}`, 'token_invalid'],
    ['for another audience', claims({ aud: 'https://other.example' }), 'token_invalid'],
    ['no audience', claims({ aud: undefined }), 'token_invalid'],
    ['several audiences', claims({ aud: ['x', 'https://api.example'] }), 'ok'],
    ['no exp', claims({ exp: undefined }), 'token_invalid'],
    ['exp 1e308', claims({ exp: 1e308 }), 'token_invalid'],
    ['expired', claims({ exp: nowSeconds - 1 }), 'token_expired'],
    ['expired long ago', claims({ exp: nowSeconds - 1000 }), 'token_expired'],
    ['not yet', claims({ nbf: nowSeconds + 100 }), 'token_invalid'],
    ['no sub', claims({ sub: undefined, client_id: undefined }), 'token_invalid'],
    ['a line break in sub', claims({ sub: 'a\r\nX-Auth-User: u_1' }), 'token_invalid'],
    ['bound to a key of its holder', claims({ cnf: { jkt: 'x' } }), 'token_invalid'],
  ];
  for (const [name, token, code] of cases) t.equal(await outcome(token), code, name);
  for (const [name, token, code] of cases) t.equal(await outcome(token), code, `${name} again`);
  // A key that is not in the set may have been added since it was read.
  clock.now += 5001;
  t.equal(
    await outcome(issuer.token({ key: leaked })),
    'token_invalid',
    'its private key is public',
  );
  clock.now += 5001;
  t.equal(await outcome(ed({ kid: '../x' })), 'token_invalid', 'a key id that is no name');
  t.equal(issuer.calls.elsewhere, 0, 'nothing is followed');
});

t.test('typ JWT by setting, and then no ID token', async (t) => {
  const { issuer, outcome } = await setupJwks(t, { typ: 'JWT' });
  t.equal(await outcome(issuer.token({ header: { typ: 'JWT' } })), 'ok');
  t.equal(await outcome(issuer.token({ header: { typ: undefined } })), 'ok');
  t.equal(await outcome(issuer.token({ header: { typ: 'secevent+jwt' } })), 'token_invalid');
  const ofId = issuer.token({ header: { typ: 'JWT' }, claims: { at_hash: 'x' } });
  t.equal(await outcome(ofId), 'token_invalid');
});

t.test('issuers are not mixed up', async (t) => {
  const one = await startFakeIssuer(t, 'one');
  const two = await startFakeIssuer(t, 'two');
  const ask = await startFakeIssuer(t, 'ask');
  // Both have a key of that id.
  const clash = createFakeKeys('EdDSA', 'one-1');
  two.keys.push(clash);
  ask.state.introspect = () => ({ active: true, sub: 'x', iss: two.issuer });
  const { outcome, clock, verify } = open([
    one.jwksSettings,
    two.jwksSettings,
    ask.introspectionSettings,
  ]);
  t.equal(await outcome(one.token()), 'ok');
  t.equal(await outcome(two.token()), 'ok');
  const theirs = two.token({ key: clash, claims: { iss: one.issuer } });
  t.equal(await outcome(theirs), 'token_invalid', 'of one, signed by a key of two');
  clock.now += 5001;
  t.equal(await outcome(two.token({ claims: { iss: one.issuer } })), 'token_invalid');
  t.equal(await outcome(one.token({ claims: { iss: `${one.issuer}/` } })), 'ok', 'of nobody');
  t.equal(verify(one.token({ claims: { iss: `${one.issuer}/` } })), undefined);
  t.equal(ask.calls.introspect, 0, 'a JWT is shown to nobody but the issuer that it names');
  t.equal(await outcome('opaque'), 'token_invalid', 'the answer names another issuer');
  t.equal(await outcome(ask.token()), 'token_invalid', 'a JWT of an issuer that is asked');
  t.equal(ask.calls.introspect, 2);
});

t.test('rotated keys: new ones work at once, what withdrawn ones signed is dead', async (t) => {
  const { issuer, outcome, clock } = await setupJwks(t);
  const old = issuer.token();
  t.equal(await outcome(old), 'ok');
  issuer.rotate('partner-2');
  clock.now += 5001;
  t.equal(await outcome(issuer.token()), 'ok');
  clock.now += 5001;
  t.equal(await outcome(old), 'token_invalid', 'also from memory');
  t.equal(issuer.calls.jwks, 3);
});

for (const mode of faults)
  t.test(`keys that cannot be read make no token invalid: ${mode}`, async (t) => {
    const issuer = await startFakeIssuer(t, 'partner');
    issuer.state.mode = mode;
    const { outcome, counts } = open([issuer.jwksSettings]);
    t.equal(await outcome(issuer.token()), 'issuer_unavailable');
    const calls = issuer.calls.jwks;
    t.equal(await outcome(issuer.token()), 'issuer_unavailable');
    t.equal(issuer.calls.jwks, calls, 'not asked again at once');
    t.equal(issuer.calls.elsewhere, 0, 'no redirect is followed');
    t.match(counts(), { unknown: 2, invalid: 0 });
  });

t.test('an opaque token: asked once, as the client that we are', async (t) => {
  const { issuer, verify, verifySoon, counts } = await setupOpaque(t, { clientSecret: 'a:b c%' });
  const token = 'good-token_1.~+/==';
  const [external] = await Promise.all(Array.from({ length: 50 }, () => verifySoon(token)));
  t.match(external, { sub: 'ext:legacy:bob', clientId: '' });
  t.equal(verify(token), external);
  t.equal(issuer.calls.introspect, 1);
  t.match(counts(), { hit: 1, shared: 49, valid: 1 });
  const [seen] = issuer.seen;
  t.equal(seen?.form.get('token'), token);
  t.equal(seen?.form.get('token_type_hint'), 'access_token');
  t.equal(seen?.form.has('client_secret'), false);
  const basic = Buffer.from('gateway:a%3Ab+c%25').toString('base64');
  t.equal(seen?.authorization, `Basic ${basic}`);
});

t.test('client authentication in the form', async (t) => {
  const { issuer, outcome } = await setupOpaque(t, { clientAuth: 'post' });
  t.equal(await outcome('good'), 'ok');
  const [seen] = issuer.seen;
  t.equal(seen?.authorization, undefined);
  t.equal(seen?.form.get('client_id'), 'gateway');
  t.equal(seen?.form.get('client_secret'), 'a secret');
});

t.test('kept for five minutes, or until the token ends', async (t) => {
  const { issuer, outcome, clock } = await setupOpaque(t);
  await outcome('good');
  clock.now += 299_999;
  await outcome('good');
  t.equal(issuer.calls.introspect, 1);
  clock.now += 1;
  await outcome('good');
  t.equal(issuer.calls.introspect, 2);

  const exp = Math.floor(clock.now / 1000) + 60;
  issuer.state.introspect = () => ({ active: true, sub: 'bob', exp });
  t.equal(await outcome('short'), 'ok');
  clock.now += 61_000;
  t.equal(await outcome('short'), 'token_expired');
  t.equal(issuer.calls.introspect, 3, 'an end needs no question');
});

t.test('"not active" is kept for ten seconds', async (t) => {
  const { issuer, outcome, clock } = await setupOpaque(t);
  for (let i = 0; i < 20; i++) t.equal(await outcome('bad'), 'token_invalid');
  t.equal(issuer.calls.introspect, 1);
  clock.now += 10_000;
  await outcome('bad');
  t.equal(issuer.calls.introspect, 2);
  issuer.state.introspect = () => ({ active: true, sub: 'bob' });
  clock.now += 10_000;
  t.equal(await outcome('bad'), 'ok', 'nothing is refused for ever');
});

t.test('a token that is ended at the issuer is refused after five minutes at most', async (t) => {
  const { issuer, outcome, clock } = await setupOpaque(t);
  t.equal(await outcome('good'), 'ok');
  issuer.state.introspect = () => ({ active: false });
  clock.now += 300_000;
  t.equal(await outcome('good'), 'token_invalid');
  t.equal(await outcome('good'), 'token_invalid');
});

t.test('a flood of garbage does not push out good tokens', async (t) => {
  const issuer = await startFakeIssuer(t, 'legacy');
  issuer.state.introspect = (token) => ({ active: token === 'good', sub: 'bob' });
  const { outcome, stats } = open([issuer.introspectionSettings], 10);
  await outcome('good');
  for (let i = 0; i < 50; i++) await outcome(`bad${i}`);
  t.strictSame(stats().cache, { good: 1, refused: 10 });
  const before = issuer.calls.introspect;
  t.equal(await outcome('good'), 'ok');
  t.equal(issuer.calls.introspect, before);
});

t.test('answers that are not about this token, or not about an access token', async (t) => {
  const wanted = { audience: ['https://api.example'] };
  const { issuer, outcome } = await setupOpaque(t, wanted);
  const good = { active: true, sub: 'bob', aud: 'https://api.example' };
  const cases: [string, object, string][] = [
    ['good', { ...good, iss: issuer.issuer, token_type: 'Bearer' }, 'ok'],
    ['several audiences', { ...good, aud: ['x', 'https://api.example'] }, 'ok'],
    ['other audience', { ...good, aud: 'x' }, 'token_invalid'],
    ['no audience', { ...good, aud: undefined }, 'token_invalid'],
    ['other issuer', { ...good, iss: 'https://other.example' }, 'token_invalid'],
    ['a refresh token', { ...good, token_type: 'refresh_token' }, 'token_invalid'],
    ['a refresh token of Hydra', { ...good, token_use: 'refresh_token' }, 'token_invalid'],
    ['bound to a key', { ...good, token_type: 'DPoP' }, 'token_invalid'],
    ['no name', { ...good, sub: undefined }, 'token_invalid'],
    ['expired', { ...good, exp: nowSeconds }, 'token_expired'],
    ['active is text', { ...good, active: 'true' }, 'issuer_unavailable'],
    ['no active', { ...good, active: undefined }, 'issuer_unavailable'],
  ];
  for (const [name, answer, code] of cases) {
    issuer.state.introspect = () => answer;
    t.equal(await outcome(encode(name)), code, name);
  }
});

for (const mode of faults)
  t.test(`an issuer that cannot be asked makes no token invalid: ${mode}`, async (t) => {
    const { issuer, outcome, clock, stats } = await setupOpaque(t);
    t.equal(await outcome('good0'), 'ok');
    issuer.state.mode = mode;
    const all = await Promise.all(Array.from({ length: 6 }, (_, at) => outcome(`good${at}`)));
    t.strictSame(all, ['ok', ...new Array(5).fill('issuer_unavailable')], 'what is known stays');
    t.equal(stats().issuers[0]?.line.state, 'open');
    const calls = issuer.calls.introspect;
    t.equal(await outcome('good9'), 'issuer_unavailable');
    t.equal(issuer.calls.introspect, calls, 'nobody waits for it any more');
    t.equal(issuer.calls.elsewhere, 0, 'no redirect is followed');
    issuer.state.mode = 'good';
    clock.now += 2000;
    t.equal(await outcome('good9'), 'ok', 'back by itself');
    t.equal(stats().issuers[0]?.line.state, 'closed');
  });

t.test('nothing lasts longer, or shorter, because somebody sets the time of day', async (t) => {
  const { issuer, outcome, clock, stats } = await setupOpaque(t);
  const exp = nowSeconds + 7200;
  issuer.state.introspect = (token) => ({ active: token.startsWith('good'), sub: 'bob', exp });
  t.equal(await outcome('good'), 'ok');
  t.equal(await outcome('later'), 'token_invalid');
  issuer.state.mode = 'status 500';
  for (let i = 0; i < 5; i++) t.equal(await outcome(`good${i}`), 'issuer_unavailable');
  t.equal(stats().issuers[0]?.line.state, 'open');
  issuer.state.mode = 'good';
  issuer.state.introspect = () => ({ active: true, sub: 'bob', exp });
  clock.step = 3_600_000;
  const calls = issuer.calls.introspect;
  t.equal(await outcome('good'), 'ok');
  t.equal(issuer.calls.introspect, calls, 'as known as before');
  t.equal(await outcome('good1'), 'issuer_unavailable', 'and the pause goes on');
  clock.step = -3_600_000;
  clock.now += 2000;
  t.equal(await outcome('good1'), 'ok');
  clock.now += 9000;
  t.equal(await outcome('later'), 'ok', 'asked again');
  clock.step = 7_200_000;
  t.equal(await outcome('good'), 'token_expired', 'which is a time of day');
});

t.test('tokens that the issuer cannot read do not cut off the others', async (t) => {
  const { issuer, outcome } = await setupOpaque(t);
  issuer.state.mode = 'status 400';
  for (let i = 0; i < 20; i++) t.equal(await outcome(`odd${i}`), 'issuer_unavailable');
  issuer.state.mode = 'good';
  t.equal(await outcome('good'), 'ok');
});

t.test(
  'a slow issuer gets so many calls at a time, and too many are told to come again',
  async (t) => {
    const { issuer, outcome } = await setupOpaque(t);
    issuer.state.delayMs = 100;
    const all = await Promise.all(Array.from({ length: 1000 }, (_, at) => outcome(`good${at}`)));
    const count = (code: string) => all.filter((one) => one === code).length;
    t.ok(count('ok') > 0);
    t.equal(count('ok') + count('issuer_unavailable'), 1000);
    t.equal(issuer.calls.mostAtOnce, 32);
  },
);

t.test('too many that wait for the keys of a hanging issuer are told to come again', async (t) => {
  const issuer = await startFakeIssuer(t, 'partner');
  issuer.state.mode = 'hang';
  const { verify } = open([issuer.jwksSettings]);
  const tokens = Array.from({ length: 2100 }, (_, at) =>
    issuer.token({ claims: { jti: `j${at}` } }),
  );
  let atOnce = 0;
  const waiting: unknown[] = [];
  for (const token of tokens)
    try {
      waiting.push(verify(token));
    } catch {
      atOnce++;
    }
  t.equal(atOnce, 52);
  const ended = await Promise.allSettled(waiting);
  t.ok(ended.every(({ status }) => status === 'rejected'));
  t.equal(issuer.calls.jwks, 1);
});

t.test('which issuer an opaque token is shown to', async (t) => {
  const named: FakeIssuer = await startFakeIssuer(t, 'named');
  const rest: FakeIssuer = await startFakeIssuer(t, 'rest');
  const { outcome, verify } = open([
    rest.introspectionSettings,
    { ...named.introspectionSettings, tokenPrefix: 'ory_at_' },
  ]);
  await outcome('ory_at_1');
  t.strictSame([named.calls.introspect, rest.calls.introspect], [1, 0]);
  await outcome('something');
  t.strictSame([named.calls.introspect, rest.calls.introspect], [1, 1]);
  for (const token of [sessionId, `${sessionId}.1.k.mac`, 'a b'])
    t.equal(verify(token), undefined, 'no secret of ours, and nothing that is no token');
  t.strictSame([named.calls.introspect, rest.calls.introspect], [1, 1]);
});
