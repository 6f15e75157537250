import { createHash, createHmac } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
import t from 'tap';
import { lackTextOf } from '../passwords/formats/format.js';
import { formatIds, isUsable, readHash } from '../passwords/formats/formats.js';
import { createTranslate, readDeclaration } from '../passwords/formats/translate.js';
import { writeWrapped } from '../passwords/formats/wrapped.js';
import { createKeyRing } from '../passwords/keys.js';
import { writeSetting } from '../passwords/recipes/kinds.js';
import { runWork } from '../passwords/work.js';

const md5 = createHash('md5').update('a').digest('hex');
const salt = Buffer.alloc(16, 7);
const bcrypt = (text: string) => hashSync(text, { cost: 4, salt });
const keys = { pp: Buffer.from('a pepper'), k1: Buffer.alloc(32, 5) };
const ring = createKeyRing({ keys });
const open = (text: string) => createTranslate(readDeclaration(text, keys), ring);

const isRight = (stored: string, password: string) => {
  const hash = readHash(stored);
  return isUsable(hash) && runWork(hash.verify(password, ring.need(hash.keyIds)));
};

t.test('a declaration is a format and its options', async (t) => {
  t.same(readDeclaration('digest,alg=md5,encoding=hex', {}), {
    format: 'digest',
    options: { alg: 'md5', encoding: 'hex' },
  });
  t.throws(() => readDeclaration('nothing', {}), /CREDENTIALS_FORMAT: .* none of .*digest/);
  t.throws(() => readDeclaration('digest,md5', {}), /must be format,option=value/);
});

t.test('one with which nobody could ever sign in is refused', async (t) => {
  const wrong = [
    ...['digest', 'digest,alg=sha3', 'digest,alg=md5,encoding=b64', 'digest,alg=md5,order=twice'],
    ...['salted-digest,alg=sha1', 'salted-digest,alg=sha1,order=salt+password,encoding=b64'],
    'salted-digest,alg=sha1,order=salt+password,salt-encoding=b64',
    ...['bcrypt-prehash', 'bcrypt-prehash,prehash=md5', 'devise,key=NO', 'hmac,alg=md5'],
    ...['template,alg=md5', 'template,alg=md5,template={PASSWORD}{SALT}', 'postgres-md5'],
    ...['firebase-scrypt,ln=14,r=8,key=k1', 'firebase-scrypt-supertokens'],
    ...['plaintext', 'unusable'],
  ];
  for (const text of wrong) t.throws(() => readDeclaration(text, keys), /lacks an option/, text);
  for (const text of ['devise,key=p2', 'hmac,alg=md5,key=p2', 'firebase-scrypt-supertokens,key=p2'])
    t.throws(() => readDeclaration(text, keys), /key must be the id of a key in/, text);
  for (const text of ['kratos-hmac', 'firebase-scrypt-gotrue', 'firebase-scrypt-zitadel']) {
    t.throws(() => readDeclaration(text, {}), /a secret, which must be in PASSWORD_KEYS/, text);
    t.doesNotThrow(() => readDeclaration(text, keys), text);
  }
  const fine = [
    ...['digest,alg=md5', 'salted-digest,alg=sha1,order=salt+password', 'devise', 'devise,key=pp'],
    'salted-digest,alg=sha1,order=hmac-salt,encoding=base64,salt-encoding=base64',
    ...[
      'bcrypt-prehash,prehash=md5hex',
      'hmac,alg=md5,key=k1',
      'template,alg=md5,template={PASSWORD}',
    ],
    ...['ldap', 'spring', 'django-digest', 'mysql323', 'pbkdf2-werkzeug', 'keycloak', 'magento'],
    ...[
      'nthash',
      'joomla',
      'logto-legacy',
      'aspnet-identity',
      'firebase-scrypt-supertokens,key=k1',
    ],
  ];
  for (const text of fine) t.doesNotThrow(() => readDeclaration(text, keys), text);
  t.throws(
    () => readDeclaration('devise,key=hunter2', keys),
    /^(?!.*hunter2)/,
    'a pepper in the wrong place is not said aloud',
  );
});

t.test('an option that no format knows is refused by its name alone', async (t) => {
  const said = (name: string) => new RegExp(`^(?!.*hunter2).*no format knows the option ${name};`);
  for (const name of ['pepper', 'saltencoding', 'hash-encoding'])
    t.throws(() => readDeclaration(`devise,${name}=hunter2`, keys), said(name));
  t.throws(() => readDeclaration('digest,alg=md5,key-id=hunter2', keys), said('key-id'));
  t.throws(
    () => readDeclaration('devise,aHVudGVyMg==', keys),
    /^(?!.*aHVu).*the option;/,
    'base64 in the place of a name is not said aloud',
  );
});

t.test('what was declared counts, also where a text looks like something else', async (t) => {
  const peppered = open('devise,key=pp')(bcrypt('secreta pepper'));
  t.match(peppered, /^\$x-bcrypt\$.*pre=pepper,key=pp/);
  t.equal(isRight(peppered, 'secret'), true);
  t.equal(isRight(peppered, 'secreta pepper'), false);
  const digested = open('bcrypt-prehash,prehash=md5hex')(bcrypt(md5));
  t.equal(isRight(digested, 'a'), true);
  t.equal(isRight(digested, md5), false, 'the digest is no password');
});

t.test('what means the same undeclared stays as it is', async (t) => {
  const plain = bcrypt('a');
  t.equal(open('devise')(plain), plain);
  t.not(open('devise,key=pp')(plain), plain);
});

t.test('what is not of the declared format stays as it is', async (t) => {
  const translate = open('digest,alg=md5');
  const plain = bcrypt('a');
  t.equal(translate(plain), plain);
  t.match(translate(md5), /^\$x-digest\$/);
  t.equal(isRight(translate(md5), 'a'), true);
  t.equal(translate(''), '!');
  for (const text of ['!', 'abc', `${md5}0`]) t.equal(translate(text), text);
  t.equal(createTranslate(undefined, ring)(md5), md5);
});

t.test('what we write ourselves stays as it is, whatever was declared', async (t) => {
  const weak = readHash(bcrypt('a'));
  if (!isUsable(weak)) throw new Error(weak);
  const setting = writeSetting({ recipe: weak.recipe, bytes: weak.digest.length });
  const params = { in: 'bcrypt', setting, k: 'k1', m: 64, t: 1, p: 1, salt };
  const ours = [
    String(runWork(['hash', 'a', 64, 1, 1])),
    String(runWork(['hash', 'a', 64, 1, 1, { id: 'k1', bytes: keys.k1 }])),
    writeWrapped(params, Buffer.alloc(32)),
    open('digest,alg=md5')(md5),
    open('devise,key=pp')(bcrypt('a')),
  ];
  const given = {
    ...{ alg: 'md5', prehash: 'md5hex', key: 'k1', user: 'ada', template: '{PASSWORD}' },
    ...{ ln: '14', r: '8', sep: 'Bw==', iterations: '1000' },
  };
  const declared = formatIds().flatMap((format) =>
    ['password', 'salt+password'].flatMap((order) =>
      [{}, { salt: 'c2FsdA==' }].map((more) => ({ format, options: { ...given, order, ...more } })),
    ),
  );
  for (const text of ours) t.ok(isUsable(readHash(text)), text.slice(0, 9));
  const changed = declared.flatMap((one) =>
    ours.filter((text) => createTranslate(one, ring)(text) !== text).map(() => one.format),
  );
  t.same(changed, []);
});

t.test('a secret in the row is found in the key ring, or the row cannot be used', async (t) => {
  const rowOf = (key: Buffer) => {
    const mac = createHmac('sha256', key).update('a').digest('hex');
    return `$hmac-sha256$${Buffer.from(mac).toString('base64')}$${key.toString('base64')}`;
  };
  const translate = open('kratos-hmac');
  const known = translate(rowOf(keys.k1));
  t.match(known, /^\$x-hmac\$.*key=k1\$/);
  t.equal(isRight(known, 'a'), true);
  t.equal(isRight(known, 'b'), false);
  const unknown = rowOf(Buffer.alloc(32, 6));
  t.equal(readHash(translate(unknown)), 'key_unknown');
  t.equal(translate(translate(unknown)), translate(unknown));
  t.equal(readHash(lackTextOf('hash_unsupported') ?? ''), 'hash_unsupported');
  t.equal(translate(`${unknown}!`), `${unknown}!`, 'what is malformed lacks nothing of ours');
});
