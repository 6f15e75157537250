/**
 * Records whose parameters ask for more work or memory than the limits allow, one for each limit and
 * for each way to spell it. Each is refused when it is read: as declared at an import, and again at a
 * login, both as it is spelled and as our own text.
 */
import t from 'tap';
import type { Options } from '../passwords/formats/format.js';
import { readDeclared, readHash } from '../passwords/formats/formats.js';
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

const keycloak = (algorithm: string, iterations: number, bytes: number, parameters = {}) =>
  JSON.stringify({
    type: 'password',
    secretData: JSON.stringify({ value: b64(bytes), salt: b64(16) }),
    credentialData: JSON.stringify({
      hashIterations: iterations,
      algorithm,
      additionalParameters: parameters,
    }),
  });
const keycloakArgon2 = {
  ...{ hashLength: ['32'], memory: ['262144'], parallelism: ['1'] },
  ...{ type: ['id'], version: ['1.3'] },
};
const firebase = { salt: '42xEC+ixf3L2lw==', sep: 'Bw==', r: '8', key: 'k1' };

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
  ['bcrypt', '$2x$16$abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK'],
  [
    'bcrypt-sha256',
    '$bcrypt-sha256$v=2,t=2b,r=31$3Ck0A1mpR0tIheiHj8UOnu$jZ5fcWYo6c0M6s3OCZawyOsqmFlVExW',
  ],
  ['wordpress-bcrypt', `$wp${bcrypt(31)}`],
  ['bcrypt-django', `bcrypt_sha256$${bcrypt(20)}`],
  ['ldap', `{CRYPT}${bcrypt(31)}`],
  ['pbkdf2-passlib', `$pbkdf2-sha256$5000001$${raw64(16)}$${raw64(32)}`],
  ['pbkdf2-django', `pbkdf2_sha1$10000001$salt$${b64(20)}`],
  ['pbkdf2-kratos', `$pbkdf2-sha512$i=4000000000,l=32$${raw64(16)}$${raw64(32)}`],
  ['pbkdf2-ldap', `{PBKDF2-SHA512}2147483647$${raw64(16)}$${raw64(64)}`],
  ['pbkdf2-werkzeug', `pbkdf2:sha256:4294967296$salt$${hex(32)}`],
  ['aspnet-identity', aspnet(0x7fffffff)],
  ['pbkdf2-hashcat', `sha256:1000000000:${b64(6)}:${b64(24)}`],
  ['web2py-pbkdf2', `pbkdf2(1000000000,20,sha512)$744943$${hex(20)}`],
  ['keycloak', keycloak('pbkdf2-sha256', 1_000_000_000, 64)],
  ['keycloak', keycloak('pbkdf2', 2 ** 31, 20)],
  // Four blocks of SHA-1: four times the work.
  ['keycloak', keycloak('pbkdf2', 3_000_000, 64)],
  ['keycloak', keycloak('argon2', 1000, 32, keycloakArgon2)],
  ['scrypt-phc', `$scrypt$ln=20,r=8,p=1$${raw64(16)}$${raw64(32)}`],
  ['scrypt-phc', `$scrypt$ln=31,r=8,p=1$${raw64(16)}$${raw64(32)}`],
  ['scrypt-phc', `$scrypt$ln=17,r=8,p=16$${raw64(16)}$${raw64(32)}`],
  ['scrypt-phc', `$scrypt$ln=1,r=999,p=1$${raw64(16)}$${raw64(32)}`],
  ['scrypt-phc', `$scrypt$ln=16,r=1,p=1$${raw64(16)}$${raw64(32)}`],
  ['scrypt-kratos', `$scrypt$ln=4294967296,r=8,p=1$${b64(16)}$${b64(32)}`],
  ['scrypt-werkzeug', `scrypt:32768:33:1$salt$${hex(64)}`],
  ['scrypt-werkzeug', `scrypt:1048576:8:1$salt$${hex(64)}`],
  ['scrypt-django', `scrypt$16384$salt$8$17$${b64(64)}`],
  ['scrypt-hashcat', `SCRYPT:16384:8:17:${b64(8)}:${b64(32)}`],
  ['scrypt-crypt7', '$7$z6..../....SodiumChloride$Gu.XUfhI8F1OmjjnsS/8R.xTl9c.dNxBKG27fItU6f3'],
  ['scrypt-crypt7', '$7$6zzzzz/....SodiumChloride$Gu.XUfhI8F1OmjjnsS/8R.xTl9c.dNxBKG27fItU6f3'],
  ['spring', `{scrypt}$1f0801$${b64(64)}$${b64(32)}`],
  ['firebase-scrypt', b64(64), { ...firebase, ln: '30' }],
  [
    'firebase-scrypt-kratos',
    `$firescrypt$ln=18,r=8,p=1$${b64(10)}$${b64(64)}$${b64(1)}$${b64(64)}`,
  ],
  ['yescrypt', `$y$jzT$abcdefgh$${dots(43)}`],
  ['yescrypt', `$y$jFT$abcdefgh$${dots(43)}`],
  ['gost-yescrypt', `$gy$jFT$abcdefgh$${dots(43)}`],
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
    const row = formats.find(({ id }) => id === format);
    // What has to be declared is not recognised by its text alone.
    const wanted = row?.identify?.(text) ? /^hash_limit$/ : /^hash_(limit|ambiguous)$/;
    t.match(readHash(text), wanted, `${name}, as it is stored`);
    const parsed = row?.parse(text, options);
    // More than a recipe can say.
    if (parsed === 'hash_limit') continue;
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
