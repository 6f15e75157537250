/** Which keys a client may bring. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import t from 'tap';
import { readKeys, storeKeys } from '../../clients/record.js';
import { outcomeOf } from '../store.js';

const jwk = (key: KeyObject): Record<string, unknown> => ({ ...key.export({ format: 'jwk' }) });
const ed = generateKeyPairSync('ed25519');
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

t.test('public keys, and what they are for', async (t) => {
  const set = [
    { ...jwk(ed.publicKey), kid: 'a', alg: 'Ed25519', use: 'sig' },
    { ...jwk(p256.publicKey), kid: 'b', alg: 'ES256' },
    jwk(rsa.publicKey),
  ];
  const keys = readKeys({ keys: set });
  const names = keys.map(({ kid, alg }) => [kid, alg]);
  t.strictSame(names, [
    ['a', 'EdDSA'],
    ['b', 'ES256'],
    [undefined, 'RS256'],
  ]);
  const again = readKeys(storeKeys(keys));
  t.strictSame(
    again.map(({ kid, alg }) => [kid, alg]),
    names,
    'as stored',
  );
});

t.test('keys that are refused', async (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const exponent = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const good = jwk(ed.publicKey);
  const cases: [string, unknown][] = [
    ['none', { keys: [] }],
    ['no set', 'x'],
    ['a private key', { keys: [jwk(ed.privateKey)] }],
    ['a secret', { keys: [{ kty: 'oct', k: 'AAAA' }] }],
    ['RSA of 1024 bits', { keys: [jwk(weak.publicKey)] }],
    ['RSA with exponent 3', { keys: [jwk(exponent.publicKey)] }],
    ['P-384', { keys: [jwk(p384.publicKey)] }],
    ['X25519', { keys: [jwk(generateKeyPairSync('x25519').publicKey)] }],
    ['for encryption', { keys: [{ ...good, use: 'enc' }] }],
    ['for another algorithm', { keys: [{ ...good, alg: 'RS256' }] }],
    ['no point', { keys: [{ ...jwk(p256.publicKey), x: 'AAAA' }] }],
    [
      'one key id twice',
      {
        keys: [
          { ...good, kid: 'a' },
          { ...jwk(p256.publicKey), kid: 'a' },
        ],
      },
    ],
    ['a key id that is no text', { keys: [{ ...good, kid: 7 }] }],
    ['six', { keys: Array.from({ length: 6 }, () => good) }],
    ['one good, one bad', { keys: [good, {}] }],
  ];
  for (const [name, value] of cases)
    t.equal(await outcomeOf(() => readKeys(value)), 'bad_request', name);
});
