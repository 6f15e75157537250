/** Fast digests, phpass, Drupal and crypt(3): read, computed, bounded and refused. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { candidateIds, candidatesOf } from '../passwords/formats/detect.js';
import type { Options } from '../passwords/formats/format.js';
import { isUsable, readDeclared, readHash } from '../passwords/formats/formats.js';
import { formats } from '../passwords/formats/table.js';
import { isLibcryptHere, libcrypt } from '../passwords/libcrypt.js';
import { md4 } from '../passwords/recipes/md4.js';
import type { Recipe } from '../passwords/recipes/recipe.js';
import { kindOf } from '../passwords/recipes/recipes.js';
import { writeStored } from '../passwords/recipes/text.js';
import { runWork } from '../passwords/work.js';

const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** As an import does it: declared, written as our own text, read again, verified. */
const judge = (format: string, text: string, password: string, options: Options = {}): string => {
  const read = readDeclared(format, text, options);
  if (!isUsable(read)) return read;
  const stored = readHash(writeStored(read.recipe, read.digest));
  if (!isUsable(stored)) return `stored: ${stored}`;
  return runWork(stored.verify(password)) === true ? 'match' : 'mismatch';
};

const derive = (recipe: Recipe, password: string, bytes: number): Buffer => {
  const unused = () => {
    throw new Error('not for these kinds');
  };
  const given = { bytes, keys: {}, tools: { argon2: unused, bcrypt: unused, crypt: unused } };
  return Buffer.from(kindOf(recipe).derive(recipe.params, Buffer.from(password), given));
};

const noLibcrypt = isLibcryptHere() ? false : 'koffi or libcrypt is not here';

t.test('md4 gives the digests of RFC 1320', async (t) => {
  const digest = (text: string) => md4(Buffer.from(text)).toString('hex');
  t.equal(digest(''), '31d6cfe0d16ae931b73c59d7e0c089c0');
  t.equal(digest('abc'), 'a448017aaf21d8525fc10ae87aa6729d');
  t.equal(digest('1234567890'.repeat(8)), 'e33b4ddc9c38f2199c3e7b164fcc0536');
});

t.test('constructions against the same thing written by hand', async (t) => {
  const cases: [string, string, Options][] = [
    ['digest', md5(md5('pässword')), { alg: 'md5', order: 'double' }],
    ['salted-digest', `${sha256('a:bpässword')}:a:b`, { alg: 'sha256', order: 'salt+password' }],
    ['salted-digest', md5('pässwordABC'), { alg: 'md5', order: 'password+salt', salt: 'ABC' }],
    [
      'salted-digest',
      createHash('sha256').update('ABCpässword').digest('base64'),
      {
        ...{ alg: 'sha256', order: 'salt+password', encoding: 'base64' },
        ...{ salt: '414243', 'salt-encoding': 'hex' },
      },
    ],
    ['postgres-md5', `md5${md5('pässwordada')}`, { user: 'ada' }],
    ['magento', `${md5('ABCpässword')}:ABC:0`, {}],
    ['magento', `${sha256(`ABC${md5('ABCpässword')}`)}:ABC:0:1`, {}],
    ['logto-legacy', JSON.stringify(['md5', ['a', '@', 'b'], md5('apässwordb')]), {}],
    ['logto-legacy', JSON.stringify(['sha256', ['a', '@'], sha256('apässword')]), {}],
    [
      'logto-legacy',
      JSON.stringify([
        'pbkdf2Sync',
        ['hex:80ff00', '1000', '32', 'sha256', '@'],
        pbkdf2Sync('pässword', Buffer.from([128, 255, 0]), 1000, 32, 'sha256').toString('hex'),
      ]),
      {},
    ],
    [
      'passwap-md5',
      `$md5salted-suffix$ABC$${createHash('md5').update('pässwordABC').digest('base64')}`,
      {},
    ],
    ['werkzeug-digest', `sha1$k$${createHmac('sha1', 'k').update('pässword').digest('hex')}`, {}],
    ['spring', `{MD5}${md5('pässword')}`, {}],
    [
      'template',
      md5('--ABC--pässword--'),
      { alg: 'md5', template: '--{SALT}--{PASSWORD}--', salt: 'ABC' },
    ],
  ];
  for (const [format, text, options] of cases) {
    t.equal(judge(format, text, 'pässword', options), 'match', `${format} ${text}`);
    t.equal(judge(format, text, 'pässwort', options), 'mismatch');
  }
});

t.test('a template is filled in one pass, and needs the password in it', async (t) => {
  const b64 = (text: string) => Buffer.from(text).toString('base64');
  const of = (pf: string, digest: string) =>
    `$md5$pf=${b64(pf)}$${b64('xyz')}$${Buffer.from(digest, 'hex').toString('base64')}`;
  const stored = of('{SALT}{PASSWORD}', md5('xyz{SALT}'));
  t.equal(judge('kratos-digest', stored, '{SALT}'), 'match');
  t.equal(judge('kratos-digest', stored, 'xyz'), 'mismatch');
  t.equal(readHash(of('{SALT}', md5('xyz'))), 'hash_malformed');
  t.equal(readHash(of('{PASSWORD}'.repeat(9), md5('xyz'))), 'hash_limit');
});

t.test('an HMAC key that stands in the row is handed over, and needed to verify', async (t) => {
  const stored = '$hmac-md5$ZmU4Njk3Zjc0MmQwODA0MDVkMTI3MGU2MTYzMzE2Zjk=$MTIzNDU=';
  t.equal(readHash(stored), 'hash_ambiguous', 'never stored as it is');
  const read = readDeclared('kratos-hmac', stored, {});
  if (!isUsable(read)) throw new Error(read);
  t.equal(Buffer.from(read.secret ?? []).toString(), '12345');
  t.throws(() => runWork(read.verify('test')), 'without a key nothing is verified');
  const recipe = { ...read.recipe, params: { ...read.recipe.params, key: 'old' } };
  const kept = readHash(writeStored(recipe, read.digest));
  if (!isUsable(kept)) throw new Error(kept);
  t.same(kept.keyIds, ['old']);
  t.equal(runWork(kept.verify('test', { old: Buffer.from('12345') })), true);
  t.equal(runWork(kept.verify('test', { old: Buffer.from('1234') })), false);
});

t.test('Drupal left older hashes inside its own', async (t) => {
  // $S$ with 2^7 rounds over the hex md5 of the password is the same as U$S$ over the password.
  const read = readDeclared('drupal', '$S$5abcdefgh'.padEnd(55, '.'), {});
  if (!isUsable(read)) throw new Error(read);
  const { params } = read.recipe;
  const recipe = { kind: 'phpass', params: { ...params, pre: 'md5' } };
  const isSame = (password: string, inner: string): boolean =>
    derive(recipe, password, 33).equals(derive(read.recipe, inner, 33));
  t.ok(isSame('test', md5('test')));
  t.notOk(isSame('test', 'test'));
});

t.test('what is no hash is called by its name', async (t) => {
  for (const text of ['', '!', '!Q2xkzXg9yQmT1wYx0b3v', '*', '!!', '*LK*', '{CRYPT}*', '{crypt}!'])
    t.equal(readHash(text), 'hash_unusable', text);
  for (const text of ['{noop}secret', '{CLEARTEXT}secret', '{PLAIN}x', 'plain$$secret'])
    t.equal(readHash(text), 'hash_plaintext', text);
  t.equal(judge('ldap', '{CLEARTEXT}secret', 'secret'), 'hash_plaintext');
  t.equal(judge('spring', '{noop}secret', 'secret'), 'hash_plaintext');
  t.equal(judge('werkzeug-digest', 'plain$$secret', 'secret'), 'hash_plaintext');
  // des, bsdi, bigcrypt: eight characters of the password count, or little more.
  for (const text of ['rEK1ecacw.7.c', '_J9..K0AyUubDrfOgO4s', 'secret', '$Q$9IQRaTwmfeRo7ud9'])
    t.equal(readHash(text), 'hash_unknown', text);
  t.equal(judge('ldap', '{CRYPT}rEK1ecacw.7.c', 'x'), 'hash_unknown');
});

t.test('strictness', async (t) => {
  const tail22 = 'abcdefghijklmnopqrstu.';
  const cases: [string, string, string, Options?][] = [
    ['digest', md5(''), 'hash_option'],
    ['digest', md5(''), 'hash_option', { alg: 'lm' }],
    ['digest', '0123456789abcdef', 'hash_option', { alg: 'md5', encoding: 'utf8' }],
    ['digest', md5(''), 'hash_length', { alg: 'sha1' }],
    ['digest', `${md5('')}\n`, 'hash_malformed', { alg: 'md5' }],
    ['digest', 'd41d8cd98f00b204e9800998ecf8427E'.slice(1), 'hash_malformed', { alg: 'md5' }],
    ['salted-digest', `${md5('')}:x`, 'hash_option', { alg: 'md5' }],
    ['salted-digest', md5(''), 'hash_malformed', { alg: 'md5', order: 'salt+password' }],
    [
      'salted-digest',
      `${md5('')}:${'x'.repeat(65)}`,
      'hash_limit',
      { alg: 'md5', order: 'hmac-salt' },
    ],
    ['hmac', md5(''), 'hash_option', { alg: 'md5' }],
    ['template', md5(''), 'hash_option', { alg: 'md5', template: '{SALT}', salt: 'x' }],
    ['template', md5(''), 'hash_option', { alg: 'md5', template: '{SALT}{PASSWORD}' }],
    ['joomla', `${md5('')}:`, 'hash_malformed'],
    ['postgres-md5', `md5${md5('')}`, 'hash_option'],
    ['django-digest', createHash('sha1').digest('hex'), 'hash_length'],
    ['md5-crypt', `$1$123456789$${tail22}`, 'hash_malformed'],
    ['md5-crypt', '$1$12345678$abcdefghijklmnopqrstuz', 'hash_malformed'],
    ['sha-crypt', `$5$rounds=01000$salt$${'.'.repeat(43)}`, 'hash_malformed'],
    ['sha-crypt', `$5$rounds=999$salt$${'.'.repeat(43)}`, 'hash_malformed'],
    ['sha-crypt', `$5$12345678901234567$${'.'.repeat(43)}`, 'hash_malformed'],
    ['sha-crypt', `$5$salt$${'.'.repeat(86)}`, 'hash_length'],
    ['ldap', '{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwl=', 'hash_malformed'],
    ['ldap', '{SSHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=', 'hash_length'],
    ['ldap', '{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwkx', 'hash_length'],
    ['magento', `${md5('')}:salt:3`, 'hash_malformed'],
    ['magento', `${md5('')}:salt:2:3`, 'hash_malformed'],
    ['magento', `${md5('')}:salt:2:1`, 'hash_length'],
    ['magento', `${sha256('')}:salt:0:1:0:1:1`, 'hash_limit'],
    ['logto-legacy', '["sha256",["a"],"00"]', 'hash_malformed'],
    ['logto-legacy', '["sha256",["{SALT}","@"],"00"]', 'hash_malformed'],
    ['logto-legacy', '["pbkdf2",["hex:0","1000","32","sha256","@"],"00"]', 'hash_malformed'],
    ['logto-legacy', '["firebase-scrypt",["","","","8","14"],""]', 'hash_malformed'],
    ['no-such-format', md5(''), 'hash_unknown'],
  ];
  for (const [format, text, wanted, options] of cases)
    t.equal(judge(format, text, 'x', options), wanted, `${format} ${text.slice(0, 60)}`);
});

t.test('an ambiguous string is named, never guessed', async (t) => {
  const cases: [string, string[]][] = [
    [md5('x'), ['digest', 'nthash', 'django-digest']],
    [`${md5('x')}:salt`, ['salted-digest', 'joomla', 'vbulletin', 'mybb']],
    [`${md5('x')}:salt:1`, ['salted-digest', 'joomla', 'vbulletin', 'mybb', 'magento']],
    [`sha1$salt$${'0'.repeat(40)}`, ['django-digest', 'werkzeug-digest']],
    ['{MD5}1B2M2Y8AsgTpgAmY7PhCfg==', ['ldap', 'spring']],
  ];
  for (const [text, wanted] of cases) {
    t.equal(readHash(text), 'hash_ambiguous', text);
    t.same(candidatesOf(text), wanted);
  }
  const ids = formats.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length, 'no id twice');
  for (const id of candidateIds) t.ok(ids.includes(id), id);
  t.same(candidatesOf('hunter2'), []);
});

t.test('every format that can be declared is documented', async (t) => {
  const text = readFileSync(new URL('../../docs/password-hashes.md', import.meta.url), 'utf8');
  const internal = ['own', 'plaintext', 'unusable', 'wrap1'];
  for (const { id } of formats) if (!internal.includes(id)) t.ok(text.includes(`\`${id}\``), id);
});

t.test('crypt(3) computes the same, whatever the lengths', { skip: noLibcrypt }, async (t) => {
  const lengths = [0, 1, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129, 255, 511];
  for (const prefix of ['$1$', '$5$rounds=1000$', '$6$rounds=1000$'])
    for (const length of lengths) {
      const password = Buffer.from('aé'.repeat(200)).subarray(0, length);
      const salt = 'saltsaltsaltsalt'.slice(0, length % (prefix === '$1$' ? 9 : 17));
      const stored = libcrypt(password, `${prefix}${salt}`) ?? '';
      const hash = readHash(stored);
      if (!isUsable(hash)) throw new Error(`${hash}: ${stored}`);
      t.equal(runWork(hash.verify(password)), true, `${prefix} ${length}`);
    }
});

t.test('a password longer than the product takes is no match, and no more work', async (t) => {
  const long = 'x'.repeat(513);
  const read = readDeclared('sha-crypt', `$5$rounds=1000$salt$${'.'.repeat(43)}`, {});
  if (!isUsable(read)) throw new Error(read);
  const right = derive(read.recipe, long, 32);
  t.notOk(derive(read.recipe, long, 32).equals(right));
  const short = derive(read.recipe, long.slice(1), 32);
  t.ok(derive(read.recipe, long.slice(1), 32).equals(short));
});
