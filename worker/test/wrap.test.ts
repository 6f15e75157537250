import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { hashRawSync } from '@node-rs/argon2';
import t from 'tap';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { writeWrapped } from '../passwords/formats/wrapped.js';
import { writeSetting } from '../passwords/recipes/kinds.js';
import type { Keys } from '../passwords/recipes/recipe.js';
import { writeStored } from '../passwords/recipes/text.js';
import type { Wrap } from '../passwords/recipes/wrap.js';
import { runWork } from '../passwords/work.js';

const password = 'a';
/** The password above at the lowest cost. */
const bcrypt = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';
const salt = Buffer.alloc(16, 9);
const none = Buffer.alloc(0);
const keys: Keys = { wk1: Buffer.alloc(32, 3) };
const target = { memoryKiB: 64, passes: 1, lanes: 1 };

const read = (stored: string) => {
  const hash = readHash(stored);
  if (!isUsable(hash)) throw new Error(hash);
  return hash;
};

const wrap = (stored: string, k = '-', given = keys): string => {
  const { recipe, digest } = read(stored);
  const setting = writeSetting({ recipe, bytes: digest.length });
  const params: Wrap = { in: recipe.kind, setting, k, m: 64, t: 1, p: 1, salt };
  const tag = runWork(['wrap', params, digest, 32, given]);
  return writeWrapped(params, Buffer.from(String(tag), 'base64'));
};
const isRight = (stored: string, typed: string | Uint8Array, given: Keys = keys) =>
  runWork(read(stored).verify(typed, given));

t.test('a wrapped record is what the specification says, computed by other code', async (t) => {
  const { digest } = read(bcrypt);
  const text = 'cost=5,salt=EEEEEEEEEEEEEEEEEEEEEA,pre=-,key=-,bytes=23';
  const label = Buffer.concat([Buffer.from(`wrap1\0bcrypt\0${text}\0`), digest]);
  const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '');
  for (const [k, key] of [
    ['0', Buffer.from('floodgate wrap1 k=0')],
    ['wk1', keys.wk1 ?? ''],
  ] as const) {
    const mac = createHmac('sha256', key).update(label).digest();
    const tag = hashRawSync(mac, {
      ...{ memoryCost: 64, timeCost: 1, parallelism: 1, outputLen: 32, salt },
    });
    const wanted = `$wrap1$in=bcrypt,k=${k}$${b64(Buffer.from(text))}$argon2id$v=19$m=64,t=1,p=1$${b64(salt)}$${b64(tag)}`;
    t.equal(wrap(bcrypt, k === '0' ? '-' : k), wanted);
  }
});

t.test('the password opens it, and nothing that leaked does', async (t) => {
  for (const k of ['-', 'wk1']) {
    const record = wrap(bcrypt, k);
    t.equal(isRight(record, password), true);
    t.equal(isRight(record, 'b'), false);
    const { digest } = read(bcrypt);
    for (const leaked of [digest, digest.toString(), bcrypt, bcrypt.slice(29)])
      t.equal(isRight(record, leaked), false, 'pass-the-hash');
    t.same(read(record).keyIds, k === '-' ? [] : ['wk1']);
    t.equal(read(record).needsRehash(target), true, 'and is due at the next login');
    const tail = record.slice(record.indexOf('$argon2id'));
    t.equal(read(tail).format, 'argon2', 'which reads as a hash of its own');
    t.equal(isRight(tail, password), false, 'and is not one of the password');
    t.equal(isRight(tail, digest), false, 'nor of the inner digest');
  }
  t.throws(() => isRight(wrap(bcrypt, 'wk1'), password, {}), 'never verified without its key');
  const other = { wk1: Buffer.alloc(32, 4) };
  t.equal(isRight(wrap(bcrypt, 'wk1'), password, other), false);
});

t.test('kind, setting and digest length are bound', async (t) => {
  const record = wrap(bcrypt);
  const setting = record.split('$')[3] ?? '';
  const text = Buffer.from(setting, 'base64').toString();
  const swap = (changed: string) =>
    record.replace(setting, Buffer.from(changed).toString('base64').replace(/=+$/, ''));
  t.equal(isRight(swap(text), password), true);
  t.equal(isRight(swap(text.replace('cost=5', 'cost=4')), password), false);
  for (const bad of [text.replace(',bytes=23', ''), `${text} `, text.replace('23', '023'), 'x'])
    t.equal(readHash(swap(bad)), 'hash_malformed', bad);
  t.equal(readHash(swap(text.replace('23', '22'))), 'hash_limit');
  t.equal(readHash(swap(text.replace('cost=5', 'cost=30'))), 'hash_limit', 'inner limits hold');
  t.equal(readHash(record.replace('m=64', 'm=9999999')), 'hash_limit', 'outer ones too');
});

t.test('only one layer, only around weak hashes', async (t) => {
  const record = wrap(bcrypt);
  const { recipe, digest } = read(record);
  t.throws(() => writeSetting({ recipe, bytes: digest.length }), 'a wrapped one is no inner');
  const twice = record.replace('in=bcrypt', 'in=wrap');
  t.equal(readHash(twice), 'hash_malformed');
  t.equal(readHash(record.replace('in=bcrypt', 'in=argon2')), 'hash_malformed');
  const strong = {
    kind: 'pbkdf2',
    params: { prf: 'sha256', i: 600_000, salt },
  };
  t.equal(isUsable(readHash(writeStored(strong, Buffer.alloc(32)))), true);
  const setting = writeSetting({ recipe: strong, bytes: 32 });
  const params: Wrap = { in: 'pbkdf2', setting, k: '-', m: 64, t: 1, p: 1, salt };
  t.equal(readHash(writeWrapped(params, Buffer.alloc(32))), 'hash_limit');
  for (const bad of [`${record}=`, ` ${record}`, record.replace('k=0', 'k='), record.slice(0, -9)])
    t.match(readHash(bad), /^hash_/);
});

t.test(
  'every weak kind goes in and its password still opens it; strong ones stay outside',
  async (t) => {
    const secret = 'Pässwörd';
    const md5 = (text: string | Buffer) => createHash('md5').update(text).digest();
    const stored: [cls: string, stored: string][] = [
      [
        'E',
        writeStored({ kind: 'digest', params: { alg: 'md5', o: 'p', salt: none } }, md5(secret)),
      ],
      [
        'D',
        writeStored(
          { kind: 'digest', params: { alg: 'md5', o: 'sp', salt } },
          md5(Buffer.concat([salt, Buffer.from(secret)])),
        ),
      ],
      [
        'D',
        writeStored(
          { kind: 'hmac', params: { alg: 'sha256', o: 'k', salt: none, key: 'h1' } },
          createHmac('sha256', 'legacy').update(secret).digest(),
        ),
      ],
      [
        'C',
        writeStored(
          { kind: 'pbkdf2', params: { prf: 'sha512', i: 10, salt } },
          pbkdf2Sync(secret, salt, 10, 64, 'sha512'),
        ),
      ],
    ];
    const all = { ...keys, h1: Buffer.from('legacy') };
    for (const [cls, text] of stored) {
      t.equal(read(text).securityClass, cls);
      const record = wrap(text, 'wk1');
      t.equal(isRight(record, secret, all), true, text);
      t.equal(isRight(record, `${secret} `, all), false);
      t.equal(isRight(record, Buffer.from(read(text).digest).toString('hex'), all), false);
      t.ok(record.length < 400);
      if (text.includes('key=h1')) t.same(read(record).keyIds, ['wk1', 'h1']);
    }
  },
);
