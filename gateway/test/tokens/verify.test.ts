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
  type FakeKeys,
  forge,
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

t.test('times at the edge of what is valid', async (t) => {
  const { keys, verify } = setup();
  const cases: [string, object, string][] = [
    ['life at the limit', { exp: nowSeconds + 900 }, 'ok'],
    ['expired', { iat: nowSeconds - 600, exp: nowSeconds - 1 }, 'token_expired'],
    ['expires now', { iat: nowSeconds - 600, exp: nowSeconds }, 'token_expired'],
    ['iat a little ahead', { iat: nowSeconds + 30 }, 'ok'],
    ['nbf past', { nbf: nowSeconds - 1 }, 'ok'],
  ];
  for (const [name, claims, wanted] of cases)
    t.equal(await outcomeOf(() => verify(forge(keys, { claims }))), wanted, name);
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
