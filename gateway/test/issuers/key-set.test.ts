import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { foreignAlgs } from '../../issuers/algorithms.js';
import { pickKey, readKeySet } from '../../issuers/key-set.js';

const ed = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwkOf = (pair: typeof ed, more: object = {}) => ({
  ...pair.publicKey.export({ format: 'jwk' }),
  kid: 'k',
  ...more,
});
const good = { ...jwkOf(ed), kid: 'good' };
const allowed = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const;
const read = (...keys: unknown[]) => readKeySet({ keys: [...keys, good] }, allowed);

t.test('keys that must not be used are left out, the others stay', async (t) => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const cases: Record<string, unknown> = {
    'a private key': { ...ed.privateKey.export({ format: 'jwk' }), kid: 'k' },
    'a private RSA key': { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'k' },
    'a symmetric key': { kty: 'oct', k: 'c2VjcmV0', kid: 'k', alg: 'HS256' },
    'a public key with k': jwkOf(ed, { k: 'c2VjcmV0' }),
    'for encryption': jwkOf(rsa, { use: 'enc' }),
    'for other operations': jwkOf(rsa, { key_ops: ['encrypt'] }),
    'an RSA key of 1024 bits': jwkOf(small),
    'an algorithm of another kind': jwkOf(ed, { alg: 'ES256' }),
    'an algorithm that is not allowed': jwkOf(rsa, { alg: 'RS512' }),
    'alg none': jwkOf(rsa, { alg: 'none' }),
    'a symmetric algorithm': jwkOf(rsa, { alg: 'HS256' }),
    'an unknown curve': { kty: 'EC', crv: 'secp256k1', x: 'AA', y: 'AA', kid: 'k' },
    'for key agreement': { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43), kid: 'k' },
    'a point that is not on the curve': { ...jwkOf(ec), x: 'A'.repeat(43) },
    'a part is missing': { kty: 'RSA', n: 'AQAB', kid: 'k' },
    'kid not text': jwkOf(ed, { kid: 7 }),
    'kid too long': jwkOf(ed, { kid: 'k'.repeat(300) }),
    'not a key': 'key',
    nothing: null,
  };
  for (const [name, jwk] of Object.entries(cases)) {
    const keys = read(jwk);
    t.strictSame(
      keys.map(({ kid }) => kid),
      ['good'],
      name,
    );
  }
});

t.test('one key, one algorithm', async (t) => {
  const keys = read(jwkOf(rsa));
  t.ok(pickKey(keys, 'k', 'RS256'), 'the first configured one that fits');
  t.notOk(pickKey(keys, 'k', 'PS256'));
  const named = read(jwkOf(rsa, { alg: 'PS256' }));
  t.ok(pickKey(named, 'k', 'PS256'));
  t.notOk(pickKey(named, 'k', 'RS256'));
  t.notOk(pickKey(named, 'k', 'ES256'));
  t.ok(pickKey(read(jwkOf(ed, { alg: 'Ed25519' })), 'k', 'EdDSA'), 'two names of the same');
  t.equal(foreignAlgs.filter((alg) => alg.startsWith('HS')).length, 0);
});

t.test('without a key id only where one key can be meant', async (t) => {
  t.ok(pickKey(read(jwkOf(ec)), undefined, 'ES256'));
  t.notOk(pickKey(read(jwkOf(ed)), undefined, 'EdDSA'), 'two of them');
  t.notOk(pickKey(read(jwkOf(ec, { kid: undefined })), 'other', 'ES256'));
});

t.test('a set that cannot replace a good one', async (t) => {
  for (const keys of [[], undefined, {}, 'x', [null], [jwkOf(ed, { use: 'enc' })]])
    t.throws(() => readKeySet({ keys }, allowed), /no usable key/);
  t.throws(() => readKeySet({ keys: new Array(101).fill(good) }, allowed), /more than 100/);
});
