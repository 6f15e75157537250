/** The slow formats: what the public vectors (vectors.test.ts) do not have. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import argon2Package from 'argon2';
import t from 'tap';
import { isUsable, readDeclared, readHash } from '../passwords/formats/formats.js';
import { formats } from '../passwords/formats/table.js';
import type { Keys, Recipe } from '../passwords/recipes/recipe.js';
import { kindOf } from '../passwords/recipes/recipes.js';
import { writeStored } from '../passwords/recipes/text.js';
import { createThreads } from '../passwords/threads.js';
import { runWork } from '../passwords/work.js';

type Options = Record<string, string>;

/** What an import does with it: secrets get an id, and what is stored is our own spelling. */
const importAs = (format: string, text: string, options: Options, context: Options) => {
  const hash = readDeclared(format, text, options);
  if (!isUsable(hash)) return hash;
  const secret =
    hash.secret ??
    (context.signerKey === undefined ? undefined : Buffer.from(context.signerKey, 'base64'));
  const { kind, params } = hash.recipe;
  const recipe: Recipe =
    secret === undefined ? hash.recipe : { kind, params: { ...params, key: 'k1' } };
  const keys: Keys = secret === undefined ? {} : { k1: secret };
  return { stored: writeStored(recipe, hash.digest), keys };
};

const judgeStored = (stored: string, keys: Keys, password: string | Uint8Array): string => {
  const hash = readHash(stored);
  if (!isUsable(hash)) return hash;
  return runWork(hash.verify(password, keys)) === true ? 'match' : 'mismatch';
};

const judge = (
  format: string,
  text: string,
  password: string | Uint8Array,
  options: Options = {},
  context: Options = {},
): string => {
  const imported = importAs(format, text, options, context);
  if (typeof imported === 'string') return imported;
  return judgeStored(imported.stored, imported.keys, password);
};

const keycloak = (algorithm: string, value: string) =>
  JSON.stringify({
    type: 'password',
    secretData: JSON.stringify({ value, salt: 'AAECAwQFBgcICQoLDA0ODw==' }),
    credentialData: JSON.stringify({
      hashIterations: 1000,
      algorithm,
      additionalParameters: {},
    }),
  });

const signer =
  'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';
const firebaseHash =
  'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==';
const firebase = { salt: '42xEC+ixf3L2lw==', sep: 'Bw==', ln: '14', r: '8', key: 'k1' };
const werkzeugDigest = '4360da3b026350a9ba48abdc01b450cc2e05af1162444e4905b638870b237743';

/** Written by the products themselves, or by hashlib where a product only calls it. */
const written: [format: string, text: string, password: string, options?: Options][] = [
  [
    'bcrypt-sha256',
    '$bcrypt-sha256$2a,5$6uF8q1LsYiXAgPqncxGxTO$mjYAjpHgjvLT6nfnJHJc2XC5Z7Zogli',
    'pässwörd',
  ],
  [
    'bcrypt-sha256',
    '$bcrypt-sha256$v=2,t=2b,r=5$3Ck0A1mpR0tIheiHj8UOnu$jZ5fcWYo6c0M6s3OCZawyOsqmFlVExW',
    'pässwörd',
  ],
  [
    'bcrypt-django',
    'bcrypt_sha256$$2b$05$bqNlm3OTJmbzTjr8rRLRa.KNXFwq6N/pYuWfwG/opD3HAII5qz82e',
    'pässwörd',
  ],
  [
    'bcrypt-django',
    'bcrypt$$2b$05$/oqIsrJxEy4n9ba9UNPQKeM08jSWD5FiFF6acF7yOvmm0reN/cZGK',
    'pässwörd',
  ],
  ['wordpress-bcrypt', '$wp$2y$05$mtpf3803CWOiLY8vNN.RnuFH20Wtb5WCY02cjto4GWvOtGEyE8hHK', 'grün'],
  [
    'scrypt-phc',
    '$scrypt$ln=10,r=8,p=1$VKo1xpizVkrp3ftfC0HonQ$6bG1d/YLc+R5nc89FLsueD303Znfq3XAgfaCWskxzIE',
    'pässwörd',
  ],
  [
    'scrypt-django',
    'scrypt$1024$saltsaltsaltsalt$8$5$bfFIEJk4JMnWJ5V9j9AjFTyYre7Jj4UzYw3Is0Xj8b9rFlBOBBpdmyWEQ2iUWMW4O70Ime4LuadEZDGZGfz2Iw==',
    'pässwörd',
  ],
  [
    'scrypt-werkzeug',
    'scrypt:1024:8:1$wyWStRC49FhKI5R1$1af553458c77ef9ee8e803e4f633fa07c7854bbb62f2650ebbd2512351da1101c09c1c76b9db6f4995bc7c9a4439e22774b9e55206105c4db8d24b1d9254e73f',
    'pässwörd',
  ],
  [
    'scrypt-werkzeug',
    'scrypt:32768:8:1$LW7cvSqVwVbxZuJ8$24461db2b2c35fc48d8589751237667bae8e33bc703998a669ace7ba05efca97977e4660d4299cfda5d63b9be73912083cc1d3e09a79b031df0b107d856ffa5f',
    'pässwörd',
  ],
  ['pbkdf2-werkzeug', `pbkdf2:sha256:1000$FSR29rZAgsVM8dla$${werkzeugDigest}`, 'pässwörd'],
  [
    'pbkdf2-werkzeug',
    `pbkdf2:sha256$FSR29rZAgsVM8dla$${werkzeugDigest}`,
    'pässwörd',
    { iterations: '1000' },
  ],
  [
    'spring',
    '{scrypt@SpringSecurity_v5_8}$100801$MDEyMzQ1Njc4OWFiY2RlZg==$XbZU2ltwBAPjfyUf5f2YcKzgnh8ApAmZgHD1Pv52+Xw=',
    'pässwörd',
  ],
  [
    'spring',
    '{pbkdf2@SpringSecurity_v5_8}30313233343536373839616263646566930997b6895575cb5f5217b37a2beb867eb41a75aaff6af28194844987f45756',
    'pässwörd',
  ],
  [
    'keycloak',
    keycloak(
      'pbkdf2-sha256',
      '1yPFYh0U+BRnsPghQiFDU3Nyeg1MysY46ZJ/tzpg+787v/SMAaboeSeAfQd+GSikp+xCl3mw10FXgbxIdeTE9A==',
    ),
    'iceberg',
  ],
  [
    'keycloak',
    keycloak(
      'pbkdf2-sha512',
      'sOiNMoZJEBTdMOWlOTW9p61OjojMVXg6zbqDhEiU+8n3kmx8ug9eAZb5C93PFGiju9tCDUDSenEd+fhY7DZRcQ==',
    ),
    'iceberg',
  ],
  ['keycloak', keycloak('pbkdf2', '7JVPMHUlf/AD5zio30FIY7mVEgA='), 'iceberg'],
  ['firebase-scrypt', firebaseHash, 'user1password', firebase],
  [
    'firebase-scrypt-gotrue',
    `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=${signer}$42xEC+ixf3L2lw==$${firebaseHash}`,
    'user1password',
  ],
  [
    'firebase-scrypt',
    firebaseHash,
    'user1password',
    { ...firebase, salt: 'e36c440be8b17f72f697', 'salt-encoding': 'hex' },
  ],
  [
    'devise',
    '$2a$05$Z8/n8/0akSGqj6mWrg7DS.aPWuHtXR5BbjjURyM.yaD2s5rmTN.jm',
    'secret',
    { key: 'k1' },
  ],
];
const secrets: Record<string, string> = {
  'firebase-scrypt': signer,
  devise: Buffer.from('pepper-of-the-old-system').toString('base64'),
};

t.test('records that the products themselves wrote', async (t) => {
  for (const [format, text, password, options = {}] of written) {
    const signerKey = secrets[format];
    const context: Options = signerKey === undefined ? {} : { signerKey };
    const label = `${format} ${text.slice(0, 32)}`;
    t.equal(judge(format, text, password, options, context), 'match', label);
    t.equal(judge(format, text, `${password}!`, options, context), 'mismatch', label);
  }
});

t.test('a digest that was cut matches nothing, nor does one with more behind it', async (t) => {
  // Firebase's readers take base64 without padding as well.
  const trimmed = (text: string) => text.replace(/=+$/, '');
  const cut = (text: string) => [
    ...[text.slice(0, -1), text.slice(0, -2), text.slice(0, -4), text.slice(0, -24)],
    ...[
      `${text}A`,
      `${text}AAAA`,
      `${text}\n`,
      ` ${text}`,
      text.replace(/[A-Za-z0-9+/]{4}=*$/, ''),
    ],
  ];
  for (const [format, text, , options = {}] of written.filter(([id]) => id !== 'keycloak'))
    for (const other of cut(text).filter((each) => trimmed(each) !== trimmed(text)))
      t.match(readDeclared(format, other, options), /^hash_/, `${format} ${other.slice(-24)}`);
  t.equal(readDeclared('firebase-scrypt', firebaseHash.slice(0, -1), firebase), 'hash_malformed');
  for (const value of ['7JVPMHUlf/AD5zio30FIYw==', '7JVP', '', '7JVPMHUlf/AD5zio30FIY7mVEgDbI7NI'])
    t.match(readDeclared('keycloak', keycloak('pbkdf2', value), {}), /^hash_(length|malformed)$/);
});

t.test('what two products read differently has to be declared', async (t) => {
  const scrypt =
    '$scrypt$ln=16,r=8,p=1$cmFuZG9tc2FsdGlzaGFyZA$Rh+NnJNo1I6nRwaNqbDm6kmADswD1+7FTKZ7Ln9D8nQ';
  const undeclared = [
    scrypt,
    scrypt.replace('$scrypt$', '$7$'),
    '$7$66..../....SodiumChloride$Gu.XUfhI8F1OmjjnsS/8R.xTl9c.dNxBKG27fItU6f3',
    '$pbkdf2-sha224$100000$qRzrfXPp6ilID9bO89rJkA$akPivgY3p3gLDj8Kd7agycHkM5b0xlTxeLEsqg',
    '$pbkdf2-sha224$i=100000,l=32$A2nzbFd+wwzPSb+TqkF5Pw$9M4GM2yOYw/fZvsvQbF/0Ec8JO2u9O1MYRTfrDimX6o',
    '{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc',
    `pbkdf2:sha256$FSR29rZAgsVM8dla$${werkzeugDigest}`,
    'sha256:1000:NjI3MDM3:vVfavLQL9ZWjg8BUMq6/FB8FtpkIGWYk',
    'AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==',
    `$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$${firebaseHash}$Bw==$${signer}`,
  ];
  for (const text of undeclared)
    t.match(readHash(text), /^hash_(unknown|ambiguous)$/, text.slice(0, 32));
  const kratos = readDeclared('scrypt-kratos', scrypt, {});
  t.equal(kratos, 'hash_malformed', 'a logarithm is not N');
  for (const [format, text] of written)
    t.ok(
      formats.filter((each) => each.identify?.(text)).length <= 1,
      `${format}, one claim at most`,
    );
});

t.test('options that are missing or wrong', async (t) => {
  const cases: [string, string, Options][] = [
    ['bcrypt-prehash', '$2a$05$/VT2Xs2dMd8GJKfrXhjYP.DkTjOVrY12yDN7/6I8ZV0q/1lEohLru', {}],
    [
      'bcrypt-prehash',
      '$2a$05$/VT2Xs2dMd8GJKfrXhjYP.DkTjOVrY12yDN7/6I8ZV0q/1lEohLru',
      { prehash: 'wordpress' },
    ],
    ['devise', '$2a$05$Z8/n8/0akSGqj6mWrg7DS.aPWuHtXR5BbjjURyM.yaD2s5rmTN.jm', { key: 'Upper' }],
    ['pbkdf2-werkzeug', `pbkdf2:sha256$FSR29rZAgsVM8dla$${werkzeugDigest}`, {}],
    ['pbkdf2-werkzeug', `pbkdf2:sha256$FSR29rZAgsVM8dla$${werkzeugDigest}`, { iterations: '1e3' }],
    ['firebase-scrypt', firebaseHash, {}],
    ['firebase-scrypt', firebaseHash, { ...firebase, ln: '0x0e' }],
    ['firebase-scrypt', firebaseHash, { ...firebase, sep: '?' }],
    ['firebase-scrypt', firebaseHash, { ...firebase, key: '-' }],
  ];
  for (const [format, text, options] of cases)
    t.equal(
      readDeclared(format, text, options),
      'hash_option',
      `${format} ${JSON.stringify(options)}`,
    );
});

const long = 'A'.repeat(43);

t.test('what costs too much is refused in our own spelling as well', async (t) => {
  const salt = 'c29tZXNhbHRzb21lc2FsdA';
  for (const own of [
    `$x-scrypt$ln=30,r=8,p=1,salt=${salt}$${long}`,
    `$x-fbscrypt$ln=14,r=64,salt=${salt},sep=Bw,key=k1$${long}`,
    `$x-yescrypt$f=y,ln=18,r=32,salt=${salt}$${long}`,
    `$x-yescrypt$f=sha1,ln=10,r=8,salt=${salt}$${long}`,
    `$x-bcrypt$cost=31,salt=${salt},pre=-,key=-$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`,
    `$x-bcrypt$cost=5,salt=${salt},pre=pepper,key=-$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`,
    `$x-bcrypt$cost=5,salt=${salt},pre=toString,key=-$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`,
    `$x-pbkdf2$prf=sha3-224,i=5000001,salt=${salt}$${long}`,
  ])
    t.match(readHash(own), /^hash_(limit|malformed)$/, own.slice(0, 40));
});

t.test('argon2 with a key id is verified with that key and never without', async (t) => {
  const secret = Buffer.from('a pepper of thirty-two bytes....');
  const plain = { memoryCost: 64, timeCost: 1, parallelism: 1 };
  const made = await argon2Package.hash('pw', { ...plain, secret });
  const stored = made.replace(
    'p=1',
    `p=1,keyid=${Buffer.from('pep1').toString('base64').slice(0, 6)}`,
  );
  const hash = readHash(stored);
  if (!isUsable(hash)) throw new Error(hash);
  t.strictSame(hash.keyIds, ['pep1']);
  t.equal(judgeStored(stored, { pep1: secret }, 'pw'), 'match');
  t.equal(judgeStored(stored, { pep1: secret }, 'pW'), 'mismatch');
  t.equal(judgeStored(stored, { pep1: Buffer.from('another') }, 'pw'), 'mismatch');
  t.throws(() => runWork(hash.verify('pw', {})), 'without it there is no answer');
  t.match(writeStored(hash.recipe, hash.digest), ',key=pep1$');
  for (const id of ['', '=', 'cGVwMQ==', 'cGVwMR', 'UEVQ', 'cGVwcGVyIG51bWJlciBvbmU'])
    t.equal(readHash(stored.replace('keyid=cGVwMQ', `keyid=${id}`)), 'hash_malformed', id);
});

/** PHP's getArgonHash by the reference library: hex out, the salt repeated or cut to 16 bytes. */
const sodium = async (text: string, salt: string, [bytes, t, m]: [number, number, number]) => {
  const options = { type: argon2Package.argon2id, timeCost: t, memoryCost: m, parallelism: 1 };
  const given = { ...options, salt: Buffer.alloc(16, salt), hashLength: bytes, raw: true as const };
  return (await argon2Package.hash(text, given)).toString('hex');
};

t.test(
  'Magento upgrades its records: argon2id over argon2id, and before other steps',
  async (t) => {
    const [old, fresh] = [
      [32, 2, 65_536] satisfies [number, number, number],
      [24, 3, 1024] satisfies [number, number, number],
    ];
    const [short, long] = ['8qnyO4H1', '8qnyO4H1OYIfGCUbvPQ3'];
    const hashOf = (alg: string, text: string) => createHash(alg).update(text).digest('hex');
    const first = await sodium('pässword', short, old);
    const md5 = hashOf('md5', `${long}pässword`);
    const cases: [text: string, securityClass: string, relative: number][] = [
      [`${first}:${short}:2`, 'A', 3.3],
      [`${await sodium(first, short, fresh)}:${short}:2:3_24_3_1048576`, 'A', 3.4],
      [`${await sodium(md5, long, fresh)}:${long}:0:3_24_3_1048576`, 'B', 0],
      [
        `${await sodium(await sodium(md5, long, fresh), long, fresh)}:${long}:0:3_24_3_1048576:3_24_3_1048576`,
        'B',
        0.1,
      ],
      [`${hashOf('sha256', `${short}${first}`)}:${short}:2:1`, 'A', 3.3],
    ];
    for (const [text, securityClass, relative] of cases) {
      t.equal(judge('magento', text, 'pässword'), 'match', text);
      t.equal(judge('magento', text, 'passwort'), 'mismatch', text);
      const hash = readDeclared('magento', text, {});
      if (!isUsable(hash)) throw new Error(hash);
      t.equal(hash.securityClass, securityClass);
      t.ok(hash.cost.relative >= relative, `${hash.cost.relative}: every step is paid for`);
    }
    const twice = `${'0'.repeat(64)}:${short}:3_32_3_268435456:3_32_2_268435456`;
    t.equal(readDeclared('magento', twice, {}), 'hash_limit', 'all steps together');
    const huge = `${'0'.repeat(64)}:${short}:3_32_2_2147483648:2`;
    t.equal(readDeclared('magento', huge, {}), 'hash_limit', 'and each of them');
  },
);

t.test("Logto's firebase-scrypt has the signer key in every row", async (t) => {
  const args = ['42xEC-ixf3L2lw==', signer, 'Bw==', '8', '14', '@'];
  const row = (given: string[]) => JSON.stringify(['firebase-scrypt', given, firebaseHash]);
  const hash = readDeclared('logto-legacy', row(args), {});
  if (!isUsable(hash)) throw new Error(hash);
  t.equal(Buffer.from(hash.secret ?? []).toString('base64'), signer);
  const context = { signerKey: signer };
  t.equal(judge('logto-legacy', row(args), 'user1password', {}, context), 'match');
  t.equal(judge('logto-legacy', row(args), 'user1passwort', {}, context), 'mismatch');
  const bad: [string[], string][] = [
    [args.slice(0, 5), 'hash_malformed'],
    [[...args, 'x'], 'hash_malformed'],
    [args.with(1, 'AAAA'), 'hash_length'],
    [args.with(2, 'B'), 'hash_malformed'],
    [args.with(3, '0x8'), 'hash_malformed'],
    [args.with(4, '30'), 'hash_limit'],
  ];
  for (const [given, problem] of bad)
    t.equal(readDeclared('logto-legacy', row(given), {}), problem, given.join());
});

t.test('a secret in the row is handed over, apart from the record', async (t) => {
  const row = `$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$${firebaseHash}$Bw==$${signer}`;
  const hash = readDeclared('firebase-scrypt-kratos', row, {});
  if (!isUsable(hash)) throw new Error(hash);
  t.equal(Buffer.from(hash.secret ?? []).toString('base64'), signer);
  t.notMatch(writeStored(hash.recipe, hash.digest), signer.slice(0, 20));
  // Nothing is handed to a thread without it: an error there would be held against the node.
  const named = { kind: 'fbscrypt', params: { ...hash.recipe.params, key: 'k1' } };
  const keyed = readHash(writeStored(named, hash.digest));
  if (!isUsable(keyed)) throw new Error(keyed);
  for (const keys of [{}, { k1: Buffer.from(signer, 'base64').subarray(1) }])
    t.throws(() => keyed.verify('user1password', keys), { code: 'key_missing' });
  t.ok(runWork(keyed.verify('user1password', { k1: Buffer.from(signer, 'base64') })));
});

t.test('passwords at the edges', async (t) => {
  const wp = '$wp$2y$05$mtpf3803CWOiLY8vNN.RnuFH20Wtb5WCY02cjto4GWvOtGEyE8hHK';
  t.equal(judge('wordpress-bcrypt', wp, ' grün\n'), 'match', 'WordPress trims at its login form');
  t.equal(judge('wordpress-bcrypt', wp, ' grün\u00a0'), 'mismatch', 'only what PHP trims');
  const long72 = `$2y$05$CCCCCCCCCCCCCCCCCCCCC.XxrQqgBi/5Sxuq9soXzDtjIZ7w5pMfK`;
  t.equal(judge('bcrypt', long72, '0123456789'.repeat(9)), 'match', '72 bytes decide');
  const ye = '$y$j75$LdJMENpBABJJ3hIHjB1Bi.$EHYl17XiOUsB2hAyzlhQ1ZlRQvpCfbLyHznEZY0U5a1';
  t.equal(judge('yescrypt', ye, 'pässwörd'), 'match');
  t.equal(judge('yescrypt', ye, 'pässwörd\0'), 'mismatch', 'NUL does not end the password');
  t.equal(judge('yescrypt', ye, 'x'.repeat(4096)), 'mismatch', 'more than crypt(3) takes');
  const x = '$2x$05$CCCCCCCCCCCCCCCCCCCCC.xSD.pz8Zg3vt0Jiovghl5Dqrs8aw8ni';
  t.equal(judge('bcrypt', x, 'Ångström'), 'match');
  t.equal(judge('bcrypt', x.replace('$2x$', '$2b$'), 'Ångström'), 'mismatch', 'the bug is kept');
  t.equal(judge('bcrypt', x, 'Ångström\0'), 'mismatch');
});

t.test('security classes', async (t) => {
  const classOf = (kind: string, params: Recipe['params']) =>
    kindOf({ kind, params }).securityClass(params);
  const salt = Buffer.alloc(16);
  t.equal(classOf('scrypt', { ln: 17, r: 8, p: 1, salt }), 'A');
  t.equal(classOf('scrypt', { ln: 14, r: 8, p: 5, salt }), 'A');
  t.equal(classOf('scrypt', { ln: 14, r: 8, p: 1, salt }), 'B');
  t.equal(classOf('scrypt', { ln: 10, r: 8, p: 1, salt }), 'C');
  t.equal(classOf('yescrypt', { f: 'y', ln: 12, r: 32, salt }), 'A', "Debian's default");
  t.equal(classOf('bcrypt', { cost: 10, salt, pre: '-', key: '-' }), 'B');
  t.equal(classOf('bcrypt', { cost: 9, salt, pre: '-', key: '-' }), 'C');
  t.equal(classOf('argon2', { v: 'id', version: 19, m: 7168, t: 5, p: 1, salt, key: '-' }), 'A');
  t.equal(classOf('argon2', { v: 'id', version: 19, m: 7168, t: 4, p: 1, salt, key: '-' }), 'B');
});

t.test('the cost of PBKDF2 counts every block of the digest', async (t) => {
  const { cost } = kindOf({ kind: 'pbkdf2', params: {} });
  const params = { prf: 'sha1', i: 27_500, salt: Buffer.alloc(16) };
  t.equal(cost(params, 64).relative, 4 * cost(params, 20).relative);
  t.not(cost(params, 64).key, cost(params, 20).key);
});

t.test('several threads use the system library at once, and end', async (t) => {
  const threads = createThreads({ count: 2, log: { warn: () => {}, error: () => {} } });
  t.teardown(threads.stop);
  await threads.warm(['ping']);
  const ye = '$y$j75$LdJMENpBABJJ3hIHjB1Bi.$EHYl17XiOUsB2hAyzlhQ1ZlRQvpCfbLyHznEZY0U5a1';
  const hash = readHash(ye);
  if (!isUsable(hash)) throw new Error(hash);
  const ask = (thread: number, password: string) =>
    new Promise((resolve, reject) => {
      threads.send(thread, hash.verify(password), (error, result) =>
        error === undefined ? resolve(result) : reject(error),
      );
    });
  const each = Array.from({ length: 16 }, (_, i) => ask(i % 2, i < 8 ? 'pässwörd' : 'other'));
  t.strictSame(await Promise.all(each), [...Array(8).fill(true), ...Array(8).fill(false)]);
});

t.test('where koffi is missing, what needs it is refused and the rest works', async (t) => {
  // Outside of the project, so that no node_modules is above it.
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  const root = fileURLToPath(new URL('../..', import.meta.url));
  for (const name of ['worker/passwords', 'worker/native-library.ts', 'shared'])
    cpSync(join(root, name), join(dir, name), { recursive: true });
  const ye = '$y$j75$LdJMENpBABJJ3hIHjB1Bi.$EHYl17XiOUsB2hAyzlhQ1ZlRQvpCfbLyHznEZY0U5a1';
  const ascii = '$2x$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';
  const program = `
    const { readHash, readDeclared } = await import('./worker/passwords/formats/formats.ts');
    console.log(readHash('${ye}'), readDeclared('yescrypt', '${ye}', {}));
    console.log(readHash('${ascii}').verify('a')[0]);
    try { readHash('${ascii}').verify('ä'); } catch (error) { console.log(error.code); }`;
  const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href;
  const args = ['--import', tsx, '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: dir });
  const lines = ['hash_unsupported hash_unsupported', 'verify', 'library_missing'];
  t.strictSame(stdout.trim().split('\n'), lines);
});
