import { createServer } from 'node:net';
import t from 'tap';
import { AppError } from '../../../shared/errors.js';
import { signingAlgs } from '../../tokens/algorithms.js';
import { createSign } from '../../tokens/sign.js';
import { type Claims, createVerify } from '../../tokens/verify.js';
import { outcomeOf } from '../store.js';
import {
  audience,
  createFakeKeys,
  encode,
  type FakeKeys,
  forge,
  forgeWithPublicKey,
  goodClaims,
  grant,
  issuer,
  nowMs,
  nowSeconds,
  sessionId,
} from './fake-keys.js';

const setup = (keys: FakeKeys = createFakeKeys(), cacheSize = 100) => {
  type State = 'ok' | 'ended' | 'unknown';
  const state = {
    check: 'ok' as State,
    butSession: 'ok' as State,
    alone: 'ok' as State,
    gap: () => {},
    now: nowMs,
  };
  const now = () => state.now;
  const sign = createSign({ keys, issuer, audience, ttlSeconds: 600, now });
  const revocations = {
    check: () => state.check,
    checkButSession: () => state.butSession,
    checkAlone: () => state.alone,
    onGap: (fn: () => void) => {
      state.gap = fn;
    },
  };
  const verifier = createVerify({ keys, issuer, audience, revocations, now, cacheSize });
  return { keys, state, sign, ...verifier };
};

for (const alg of signingAlgs)
  t.test(`${alg}: what we sign is valid; the second time at once`, async (t) => {
    const { sign, verify, stats } = setup(createFakeKeys(alg));
    const { token, jti } = sign(grant);
    const claims = await verify(token);
    t.match(claims, { sub: 'u_1', sid: sessionId, gen: 3, scope: 'account', clientId: 'c_1', jti });
    t.equal(claims.u, 'u'.repeat(22));
    t.equal(claims.exp, nowSeconds + 600);
    t.equal(verify(token), claims, 'no promise on a hit');
    t.strictSame(stats(), { hits: 1, misses: 1, size: 1 });
  });

t.test('attacks on header and signature', async (t) => {
  const { keys, sign, verify } = setup();
  const { token } = sign(grant);
  const [head = '', body = '', signature = ''] = token.split('.');
  const stranger = createFakeKeys('EdDSA', keys.signing.kid);
  const jwk = stranger.publicKey.export({ format: 'jwk' });
  const none = (alg: string) => encode({ alg, typ: 'at+jwt', kid: keys.signing.kid });
  const cases: Record<string, string> = {
    'alg none': `${none('none')}.${body}.`,
    'alg NONE with the signature': `${none('NONE')}.${body}.${signature}`,
    'HMAC with the public key': forgeWithPublicKey(keys),
    'another algorithm': `${none('RS256')}.${body}.${signature}`,
    'a stranger with our key id': forge(stranger),
    'embedded jwk': forge(stranger, { header: { jwk } }),
    'embedded jwk, ours signed': forge(keys, { header: { jwk } }),
    crit: forge(keys, { header: { crit: ['exp'] } }),
    'unencoded payload': forge(keys, { header: { b64: false, crit: ['b64'] } }),
    zip: forge(keys, { header: { zip: 'DEF' } }),
    'no kid': forge(keys, { header: { kid: undefined } }),
    'kid of Object': forge(keys, { header: { kid: '__proto__' } }),
    'kid not text': forge(keys, { header: { kid: [keys.signing.kid] } }),
    'typ JWT': forge(keys, { header: { typ: 'JWT' } }),
    'typ of an ID token': forge(keys, { header: { typ: undefined } }),
    'typ of a refresh token': forge(keys, { header: { typ: 'rt+jwt' } }),
    'signature of another token': `${head}.${body}.${forge(keys, { claims: { gen: 4 } }).split('.')[2]}`,
    'changed body': `${head}.${encode({ ...goodClaims, sub: 'u_admin' })}.${signature}`,
    'empty signature': `${head}.${body}.`,
    'header is an array': `${encode([])}.${body}.${signature}`,
    'header is not JSON': `${encode('{')}.${body}.${signature}`,
    'encrypted token': 'a.b.c.d.e',
    empty: '',
    'too long': forge(keys, { claims: { scope: 'x'.repeat(10_000) } }),
  };
  for (const [name, bad] of Object.entries(cases))
    t.equal(await outcomeOf(() => verify(bad)), 'token_invalid', name);
  t.equal(await outcomeOf(() => verify(forge(keys))), 'ok', 'the forge itself is right');
});

t.test('one key, one algorithm, also when both are ours', async (t) => {
  const rsa = createFakeKeys('RS256');
  const { verify } = setup(rsa);
  rsa.verifying.set('kid-EdDSA', { alg: 'EdDSA', key: createFakeKeys().publicKey });
  t.equal(await outcomeOf(() => verify(forge(rsa))), 'ok');
  t.equal(
    await outcomeOf(() => verify(forge(rsa, { header: { kid: 'kid-EdDSA' } }))),
    'token_invalid',
  );
  t.equal(await outcomeOf(() => verify(forge(rsa, { header: { alg: 'PS256' } }))), 'token_invalid');
});

t.test('a token has one spelling', async (t) => {
  const { sign, verify } = setup();
  const { token } = sign(grant);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = letters.indexOf(token.slice(-1));
  const others = [
    token.slice(0, -1) + letters[last ^ 1],
    `${token}=`,
    `${token}==`,
    `${token} `,
    ` ${token}`,
    `${token}\n`,
    `${token}.`,
    token.replace('.', ' .'),
    `${token.slice(0, 40)}\n${token.slice(40)}`,
    token.replace(/[-_]/, (letter) => (letter === '-' ? '+' : '/')),
    token.replace('.', '..'),
  ].filter((other) => other !== token);
  for (const other of others) t.equal(await outcomeOf(() => verify(other)), 'token_invalid');
  t.equal(await outcomeOf(() => verify(token)), 'ok');
});

t.test('claims that we would not issue, though the signature is right', async (t) => {
  const { keys, verify } = setup();
  const cases: [string, object, string][] = [
    ['no exp', { exp: undefined }, 'token_invalid'],
    ['exp 1e308', { exp: 1e308 }, 'token_invalid'],
    ['exp as text', { exp: String(goodClaims.exp) }, 'token_invalid'],
    ['exp null', { exp: null }, 'token_invalid'],
    ['exp with a fraction', { exp: nowSeconds + 1.5 }, 'token_invalid'],
    ['life over the limit', { exp: nowSeconds + 901 }, 'token_invalid'],
    ['life at the limit', { exp: nowSeconds + 900 }, 'ok'],
    ['expired', { iat: nowSeconds - 600, exp: nowSeconds - 1 }, 'token_expired'],
    ['expires now', { iat: nowSeconds - 600, exp: nowSeconds }, 'token_expired'],
    ['exp before iat', { iat: nowSeconds + 30, exp: nowSeconds + 10 }, 'token_invalid'],
    ['no iat', { iat: undefined }, 'token_invalid'],
    ['iat as text', { iat: 'now' }, 'token_invalid'],
    ['iat far ahead', { iat: nowSeconds + 300, exp: nowSeconds + 600 }, 'token_invalid'],
    ['iat a little ahead', { iat: nowSeconds + 30 }, 'ok'],
    ['nbf ahead', { nbf: nowSeconds + 300 }, 'token_invalid'],
    ['nbf as text', { nbf: '0' }, 'token_invalid'],
    ['nbf past', { nbf: nowSeconds - 1 }, 'ok'],
    ['another issuer', { iss: 'https://evil.example' }, 'token_invalid'],
    ['no issuer', { iss: undefined }, 'token_invalid'],
    ['another audience', { aud: 'https://other.example' }, 'token_invalid'],
    ['no audience', { aud: undefined }, 'token_invalid'],
    ['two audiences', { aud: [audience, 'https://other.example'] }, 'token_invalid'],
    ['no sub', { sub: undefined }, 'token_invalid'],
    ['empty sub', { sub: '' }, 'token_invalid'],
    ['no jti', { jti: undefined }, 'token_invalid'],
    ['jti not text', { jti: 7 }, 'token_invalid'],
    ['no client', { client_id: undefined }, 'token_invalid'],
    ['no sid', { sid: undefined }, 'token_invalid'],
    ['sid of another form', { sid: 'u.s' }, 'token_invalid'],
    ['no gen', { gen: undefined }, 'token_invalid'],
    ['gen as text', { gen: '3' }, 'token_invalid'],
    ['gen with a fraction', { gen: 3.5 }, 'token_invalid'],
    ['scope as list', { scope: ['account'] }, 'token_invalid'],
  ];
  for (const [name, claims, wanted] of cases)
    t.equal(await outcomeOf(() => verify(forge(keys, { claims }))), wanted, name);
  for (const payload of ['[]', 'null', '1', '"x"', '{', '{"a":'])
    t.equal(await outcomeOf(() => verify(forge(keys, { payload }))), 'token_invalid', payload);
});

t.test('addresses in a header are never called', async (t) => {
  let calls = 0;
  const server = createServer((socket) => {
    calls++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { keys, verify } = setup();
  for (const name of ['jku', 'x5u'])
    for (const header of [{ [name]: `http://127.0.0.1:${port}/` }, { kid: 'x', [name]: 'x' }])
      t.equal(await outcomeOf(() => verify(forge(keys, { header }))), 'token_invalid');
  t.equal(calls, 0);
});

t.test('a token with the signature of a known one is another token', async (t) => {
  const { sign, verify, stats } = setup();
  const { token } = sign(grant);
  const claims = await verify(token);
  const [head = '', , signature = ''] = token.split('.');
  const [, payload = ''] = sign({ ...grant, scope: 'account admin' }).token.split('.');
  const forged = `${head}.${payload}.${signature}`;
  for (let i = 0; i < 2; i++) t.equal(await outcomeOf(() => verify(forged)), 'token_invalid');
  t.equal(verify(token), claims, 'which is still known');
  t.match(stats(), { hits: 1, size: 1 });
});

t.test('a known token ends with its exp, not before', async (t) => {
  const { state, sign, verify, stats } = setup();
  const { token } = sign(grant);
  await verify(token);
  state.now += 599_999;
  t.equal(await outcomeOf(() => verify(token)), 'ok');
  state.now += 1;
  t.equal(await outcomeOf(() => verify(token)), 'token_expired');
  t.equal(stats().size, 0);
  t.equal(await outcomeOf(() => verify(token)), 'token_expired', 'also when checked afresh');
});

t.test('the log is asked every time, for new and for known tokens', async (t) => {
  const { state, sign, verify, verifyForLogout, verifyToEndAll } = setup();
  for (const isKnown of [false, true]) {
    const { token } = sign(grant);
    if (isKnown) await verify(token);
    state.check = 'ended';
    t.equal(await outcomeOf(() => verify(token)), 'session_ended');
    t.equal(await outcomeOf(() => verifyForLogout(token)), 'ok', 'for a second logout');
    state.butSession = 'ended';
    t.equal(await outcomeOf(() => verifyForLogout(token)), 'session_ended', 'a newer generation');
    state.butSession = 'ok';
    t.equal(await outcomeOf(() => verifyToEndAll(token)), 'ok', 'for a second end of all');
    state.alone = 'ended';
    t.equal(await outcomeOf(() => verifyToEndAll(token)), 'session_ended', 'signed out');
    state.alone = 'ok';
    state.check = 'unknown';
    t.equal(await outcomeOf(() => verify(token)), 'store_unavailable', 'unknown is not logged out');
    state.check = 'ok';
    t.equal(await outcomeOf(() => verify(token)), 'ok');
  }
});

t.test('the cache is bounded, is emptied by a gap, and holds no failures', async (t) => {
  const { keys, state, sign, verify, stats } = setup(createFakeKeys(), 10);
  const tokens = Array.from({ length: 25 }, () => sign(grant).token);
  for (const token of tokens) await verify(token);
  t.equal(stats().size, 10);
  t.ok(verify(tokens[24] ?? '') instanceof Promise === false);
  state.gap();
  t.equal(stats().size, 0);
  t.ok(verify(tokens[24] ?? '') instanceof Promise);
  const bad = forge(keys, { claims: { gen: 'x' } });
  for (let i = 0; i < 3; i++) await outcomeOf(() => verify(bad));
  t.ok(stats().size <= 1);
});

t.test('a burst with one new token costs one check; many new tokens come through', async (t) => {
  const { sign, verify, stats } = setup();
  const { token } = sign(grant);
  const same = await Promise.all(Array.from({ length: 50 }, () => verify(token)));
  t.equal(new Set(same).size, 1);
  t.equal(stats().misses, 1);

  let turns = 0;
  const ticker = setInterval(() => turns++, 1);
  const many = Array.from({ length: 300 }, (_, i) => sign({ ...grant, gen: i }).token);
  // Not at the end of the signature, where Ed25519 has zeros one time in a thousand anyway.
  const spoil = (good: string) =>
    good.replace(/\.(.)([^.]*)$/, (_all, first, rest) => `.${first === 'A' ? 'B' : 'A'}${rest}`);
  const mixed = many.map((good, i) => (i % 3 === 0 ? spoil(good) : good));
  const outcomes = await Promise.all(mixed.map((each) => outcomeOf(() => verify(each))));
  clearInterval(ticker);
  t.ok(turns > 1, 'the event loop turned meanwhile');
  t.equal(outcomes.filter((outcome) => outcome === 'ok').length, 200);
  t.equal(outcomes.filter((outcome) => outcome === 'token_invalid').length, 100);
});

t.test('a flood of unknown key ids reads the keyring once a second', async (t) => {
  const { keys, verify } = setup();
  const added = createFakeKeys('EdDSA', 'added');
  const isValid = () => outcomeOf(() => verify(forge(added)));
  const flood = () =>
    Promise.all(
      Array.from({ length: 5000 }, (_, i) =>
        outcomeOf(() => verify(forge(keys, { header: { kid: `kid${i}` } }))),
      ),
    );
  t.equal(await isValid(), 'token_invalid');
  t.strictSame([...new Set(await flood())], ['token_invalid']);
  t.equal(keys.calls.reload, 1);
  keys.clock.now += 1000;
  keys.reload = async () => {
    throw new AppError('store_unavailable');
  };
  t.equal(await isValid(), 'store_unavailable', 'we cannot know, so it is not the token');
  t.equal(await isValid(), 'store_unavailable', 'also for whoever comes next');
  t.equal(await outcomeOf(() => verify(forge(keys))), 'ok', 'keys that we know need no store');
  keys.clock.now += 1000;
  keys.reload = async () => {
    keys.verifying.set('added', { alg: 'EdDSA', key: added.publicKey });
  };
  t.equal(await isValid(), 'ok');
});

t.test('after a gap nothing is checked before the keyring has been read again', async (t) => {
  const { keys, state, verify } = setup();
  keys.reload = async () => {
    keys.verifying.delete(keys.signing.kid);
  };
  const token = forge(keys);
  t.equal(await outcomeOf(() => verify(token)), 'ok');
  state.gap();
  t.equal(await outcomeOf(() => verify(token)), 'token_invalid', 'its key was revoked meanwhile');
});

t.test('a key that another edge added is found', async (t) => {
  const keys = createFakeKeys();
  const added = createFakeKeys('EdDSA', 'added');
  keys.reload = async () => {
    keys.verifying.set('added', { alg: 'EdDSA', key: added.publicKey });
  };
  const { verify } = setup(keys);
  const claims: Claims = await verify(forge(added));
  t.equal(claims.kid, 'added');
});
