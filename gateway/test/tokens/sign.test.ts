import { decodeProtectedHeader, jwtVerify } from 'jose';
import t from 'tap';
import { signingAlgs } from '../../tokens/algorithms.js';
import { createSign } from '../../tokens/sign.js';
import { audience, createFakeKeys, grant, issuer, nowMs, nowSeconds } from './fake-keys.js';

for (const alg of signingAlgs)
  t.test(`${alg}: an access token as RFC 9068 has it, which anybody can check`, async (t) => {
    const keys = createFakeKeys(alg);
    const sign = createSign({ keys, issuer, audience, ttlSeconds: 600, now: () => nowMs + 999 });
    const { token, expiresInSeconds, jti } = sign(grant);
    t.equal(expiresInSeconds, 600);
    t.strictSame(decodeProtectedHeader(token), { alg, typ: 'at+jwt', kid: keys.signing.kid });
    const { payload } = await jwtVerify(token, keys.publicKey, { currentDate: new Date(nowMs) });
    t.strictSame(payload, {
      iss: issuer,
      aud: audience,
      sub: 'u_1',
      iat: nowSeconds,
      exp: nowSeconds + 600,
      jti,
      client_id: 'c_1',
      sid: grant.sessionId,
      gen: 3,
      scope: 'account',
    });
  });

t.test('a token of a client has no session, and may be for another audience', async (t) => {
  const keys = createFakeKeys();
  const sign = createSign({ keys, issuer, audience, ttlSeconds: 600, now: () => nowMs });
  const own = { userId: 'c_1', clientId: 'c_1', gen: 2, scope: 'read' };
  const { token, jti } = sign({ ...own, audience: 'https://"other".example' });
  const { payload } = await jwtVerify(token, keys.publicKey, { currentDate: new Date(nowMs) });
  t.strictSame(payload, {
    iss: issuer,
    aud: 'https://"other".example',
    sub: 'c_1',
    iat: nowSeconds,
    exp: nowSeconds + 600,
    jti,
    client_id: 'c_1',
    gen: 2,
    scope: 'read',
  });
});

t.test('no claim can be smuggled in through another', async (t) => {
  const keys = createFakeKeys();
  const sign = createSign({ keys, issuer: 'a"b\\', audience, ttlSeconds: 600, now: () => nowMs });
  const nasty = '","sub":"u_admin","x":"\\\n\u2028\u0000😀';
  const { token } = sign({ ...grant, userId: nasty, scope: nasty, clientId: nasty });
  const { payload } = await jwtVerify(token, keys.publicKey, { currentDate: new Date(nowMs) });
  t.equal(payload.sub, nasty);
  t.equal(payload.scope, nasty);
  t.equal(payload.client_id, nasty);
  t.equal(payload.iss, 'a"b\\');
});

t.test('token ids have 128 random bits and do not repeat', async (t) => {
  const sign = createSign({ keys: createFakeKeys(), issuer, audience, ttlSeconds: 600 });
  const ids = Array.from({ length: 1000 }, () => sign(grant).jti);
  t.equal(new Set(ids).size, 1000);
  t.ok(ids.every((id) => /^[\w-]{22}$/.test(id)));
});
