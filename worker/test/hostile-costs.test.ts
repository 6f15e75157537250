/**
 * Records whose parameters ask for more work or memory than the limits allow, one for each limit and
 * for each way to spell it. Each is refused when it is read: as declared at an import, and again at a
 * login, both as it is spelled and as our own text.
 */
import t from 'tap';
import type { Options } from '../passwords/formats/format.js';
import { isUsable, readDeclared, readHash } from '../passwords/formats/formats.js';
import { formats } from '../passwords/formats/table.js';
import { writeStored } from '../passwords/recipes/text.js';

const argon2 = (params: string): string =>
  `$argon2id$v=19$${params}$c29tZXNhbHRzb21lc2FsdA$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE4`;
const bcrypt = (cost: number): string =>
  `$2y$${cost}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW`;
const hex = (bytes: number): string => '00'.repeat(bytes);
const b64 = (bytes: number): string => Buffer.alloc(bytes).toString('base64');
const raw64 = (bytes: number): string => b64(bytes).replace(/=+$/, '');
const dots = (count: number): string => '.'.repeat(count);

const aspnet = (iterations: number): string => {
  const head = Buffer.from([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16]);
  head.writeUInt32BE(iterations, 5);
  return Buffer.concat([head, Buffer.alloc(48)]).toString('base64');
};

const keycloak = JSON.stringify({
  type: 'password',
  secretData: JSON.stringify({ value: b64(64), salt: b64(16) }),
  credentialData: JSON.stringify({
    hashIterations: 1_000_000_000,
    algorithm: 'pbkdf2-sha256',
    additionalParameters: {},
  }),
});

const records: readonly [format: string, text: string, options?: Options][] = [
  ['argon2', argon2('m=262145,t=1,p=1')],
  ['argon2', argon2('m=4194304,p=1,t=1')],
  ['argon2', argon2('m=262144,t=5,p=1')],
  ['argon2', argon2('m=64,t=11,p=1')],
  ['argon2', argon2('m=1024,t=1,p=17')],
  ['argon2', `argon2${argon2('m=1048576,t=10,p=1')}`],
  ['argon2', `{ARGON2}${argon2('m=2097152,t=1,p=1')}`],
  ['spring', `{argon2}${argon2('m=524288,t=1,p=1')}`],
  ['bcrypt', bcrypt(16)],
  ['bcrypt', bcrypt(31)],
  ['wordpress-bcrypt', `$wp${bcrypt(31)}`],
  ['bcrypt-django', `bcrypt_sha256$${bcrypt(20)}`],
  ['ldap', `{CRYPT}${bcrypt(31)}`],
  ['pbkdf2-passlib', `$pbkdf2-sha256$5000001$${raw64(16)}$${raw64(32)}`],
  ['pbkdf2-django', `pbkdf2_sha1$10000001$salt$${b64(20)}`],
  ['pbkdf2-kratos', `$pbkdf2-sha512$i=4000000000,l=32$${raw64(16)}$${raw64(32)}`],
  ['pbkdf2-ldap', `{PBKDF2-SHA512}2147483647$${raw64(16)}$${raw64(64)}`],
  ['pbkdf2-werkzeug', `pbkdf2:sha256:1000000000$salt$${hex(32)}`],
  ['aspnet-identity', aspnet(0x7fffffff)],
  ['keycloak', keycloak],
  ['scrypt-phc', `$scrypt$ln=20,r=8,p=1$${raw64(16)}$${raw64(32)}`],
  ['scrypt-kratos', `$scrypt$ln=1073741824,r=8,p=1$${b64(16)}$${b64(32)}`],
  ['scrypt-werkzeug', `scrypt:32768:33:1$salt$${hex(64)}`],
  ['scrypt-django', `scrypt$16384$salt$8$17$${b64(64)}`],
  ['spring', `{scrypt}$140801$${b64(64)}$${b64(32)}`],
  [
    'firebase-scrypt-kratos',
    `$firescrypt$ln=20,r=8,p=1$${b64(10)}$${b64(64)}$${b64(1)}$${b64(64)}`,
  ],
  ['phpass', `$P$HIQRaTwmf${dots(22)}`],
  ['phpass', `$H$zIQRaTwmf${dots(22)}`],
  ['drupal', `$S$Srandomsa${dots(43)}`],
  ['drupal', `U$S$Hrandomsa${dots(43)}`],
  ['sha-crypt', `$5$rounds=1000001$salt$${dots(43)}`],
  ['sha-crypt', `$6$rounds=999999999$salt$${dots(86)}`],
  ['kratos-crypt', `$sha512-crypt$rounds=999999999$salt$${dots(86)}`],
  ['ldap', `{CRYPT}$6$rounds=4294967295$salt$${dots(86)}`],
  ['magento', `${hex(32)}:0123456789abcdef:3_32_2_2147483648`],
  ['magento', `${hex(32)}:0123456789abcdef:0:3_32_11_67108864`],
  ['magento', `${hex(32)}:0123456789abcdef:3_32_4_268435456:2`],
  [
    'kratos-digest',
    `$md5$pf=${Buffer.from('{PASSWORD}'.repeat(30)).toString('base64')}$MTIz$${b64(16)}`,
  ],
];

t.test('what costs too much is refused when it is read, at import and at login', async (t) => {
  for (const [format, text, options = {}] of records) {
    const name = `${format} ${text.slice(0, 48)}`;
    t.equal(readDeclared(format, text, options), 'hash_limit', name);
    t.notOk(isUsable(readHash(text)), `${name}, as it is stored`);
    const parsed = formats.find(({ id }) => id === format)?.parse(text, options);
    if (parsed === undefined || typeof parsed === 'string') throw new Error(`${name}: ${parsed}`);
    t.equal(readHash(writeStored(parsed.recipe, parsed.digest)), 'hash_limit', `${name}, our text`);
  }
});

t.test('length alone costs nothing either', async (t) => {
  const megabyte = 'a'.repeat(1 << 20);
  for (const text of [
    megabyte,
    `${hex(16)}:${megabyte}`,
    `["md5",["${megabyte}"]]`,
    `$1$${megabyte}`,
  ])
    t.equal(readHash(text), 'hash_malformed');
  for (const { id } of formats) t.equal(readDeclared(id, megabyte, {}), 'hash_malformed', id);
});
