import argon2Package from 'argon2';
import t from 'tap';
import { isUsable, placeOf, readHash } from '../passwords/formats/formats.js';
import { formats } from '../passwords/formats/table.js';
import { runWork } from '../passwords/work.js';

const target = { memoryKiB: 19_456, passes: 2, lanes: 1 };

/** The whole way of a stored string, with the thread's code called here. */
const judge = (stored: string, password: string | Buffer): string => {
  const hash = readHash(stored);
  if (!isUsable(hash)) return hash;
  return runWork(hash.verify(password)) === true ? 'match' : 'mismatch';
};

const salt = 'c29tZXNhbHRzb21lc2FsdA';
const tag = 'gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE4';
const bcryptTail = 'abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK';
const digest32 = 'bO5LsjmnnPle2Xm9RE6W1PMWdJTy1TnEia1TLzynuIQ';

t.test('one format at most claims a string', async (t) => {
  for (const stored of [
    `$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}`,
    `argon2$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}`,
    `$2b$05$${bcryptTail}`,
    `$pbkdf2-sha256$100000$aoWHXwyz0im1Hqg93.N.tA$${digest32}`,
    'pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=',
  ])
    t.equal(formats.filter((f) => f.identify?.(stored)).length, 1, stored.slice(0, 24));
});

t.test('strings that are refused, and why', async (t) => {
  const a = (params: string) => `$argon2id$v=19$${params}$${salt}$${tag}`;
  const cases: [string, string][] = [
    ['', 'hash_unusable'],
    ['hunter2', 'hash_unknown'],
    [`$2$05$${bcryptTail}`, 'hash_unknown'],
    [`$2x$05$${bcryptTail}x`, 'hash_malformed'],
    ['$scrypt$ln=14,r=8,p=1$c2FsdA$aGFzaA', 'hash_ambiguous'],
    [`$2b$16$${bcryptTail}`, 'hash_limit'],
    [`$2b$31$${bcryptTail}`, 'hash_limit'],
    [`$2b$03$${bcryptTail}`, 'hash_malformed'],
    [`$2b$05$${bcryptTail}\n`, 'hash_malformed'],
    [a('m=262145,t=1,p=1'), 'hash_limit'],
    [a('m=262144,t=5,p=1'), 'hash_limit'],
    [a('m=64,t=11,p=1'), 'hash_limit'],
    [a('m=1024,t=1,p=17'), 'hash_limit'],
    [a('m=64,t=0,p=1'), 'hash_limit'],
    [a('m=4294967552,t=1,p=1'), 'hash_limit'],
    [a('m=99999999999,t=1,p=1'), 'hash_malformed'],
    [a('m=0x100,t=1,p=1'), 'hash_malformed'],
    [a('m=2.56e2,t=1,p=1'), 'hash_malformed'],
    [a('m=064,t=1,p=1'), 'hash_malformed'],
    [a('m=64,t=2.9,p=1'), 'hash_malformed'],
    [a('m=64,t=1,p=0'), 'hash_malformed'],
    [a('m=15,t=1,p=2'), 'hash_malformed'],
    [a('t=1,m=64,p=1'), 'hash_malformed'],
    [a('m=64,t=1,p=1,keyid=Zm9'), 'hash_malformed'],
    [a('m=64,t=1,p=1,data=Zm9v'), 'hash_malformed'],
    [`$argon2id$v=18$m=64,t=1,p=1$${salt}$${tag}`, 'hash_malformed'],
    [`$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}=`, 'hash_malformed'],
    [`$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag.slice(0, -1)}5`, 'hash_malformed'],
    [`$argon2id$v=19$m=64,t=1,p=1$c2FsdA$${tag}`, 'hash_malformed'],
    [`$pbkdf2-sha256$10000001$aoWHXwyz0im1Hqg93.N.tA$${digest32}`, 'hash_limit'],
    [`$pbkdf2-sha256$5000001$aoWHXwyz0im1Hqg93.N.tA$${digest32}`, 'hash_limit'],
    [`$pbkdf2-sha256$0$aoWHXwyz0im1Hqg93.N.tA$${digest32}`, 'hash_malformed'],
    [`$pbkdf2-sha256$1e3$aoWHXwyz0im1Hqg93.N.tA$${digest32}`, 'hash_malformed'],
    ['$pbkdf2-sha256$1000$aoWHXwyz0im1Hqg93.N.tA$bO5L', 'hash_malformed'],
    [`$pbkdf2-sha512$1000$aoWHXwyz0im1Hqg93.N.tA$${digest32}`, 'hash_length'],
    ['pbkdf2_sha256$390000$seasalt$8xBlGd3j', 'hash_malformed'],
    ['pbkdf2_sha1$10000001$seasalt$aDapRanzW8aHTz97v2TcfHzWD+I=', 'hash_limit'],
    [`$2b$05$${bcryptTail}${'x'.repeat(1024)}`, 'hash_malformed'],
  ];
  for (const [stored, wanted] of cases) t.equal(readHash(stored), wanted, stored.slice(0, 60));
});

t.test('of what is malformed it is said where, by number or name', async (t) => {
  const a = (params: string) => `$argon2id$v=19$${params}$${salt}$${tag}`;
  const hex = 'd41d8cd98f00b204e9800998ecf8427e';
  const crypt = 'abcdefghijklmnopqrstu';
  const json = (data: string, secret: string) =>
    JSON.stringify({ credentialData: data, secretData: secret });
  const cases: [string, string, string | undefined, Record<string, string>?][] = [
    ['', `$2b$05$${bcryptTail}x`, '61'],
    ['', `$2b$03$${bcryptTail}`, '5'],
    ['', `$2b$05$${bcryptTail.slice(0, -1)}`, '30'],
    ['', `$2b$05$${bcryptTail.replace('uu8', 'uv8')}`, 'salt'],
    ['', `bcrypt$$2b$03$${bcryptTail}`, '12'],
    ['', `$wp$2y$03$${bcryptTail}`, '8'],
    ['', `$wp$2b$05$${bcryptTail}`, '4'],
    ['', a('m=99999999999,t=1,p=1'), 'm'],
    ['', a('m=64,t=01,p=1'), 't'],
    ['', a('m=64,t=1,p=1,keyid=Zm9'), 'keyid'],
    ['', a('m=64,t=1,p=1,data=Zm9v'), '28'],
    ['', a('m=15,t=1,p=2'), 'm'],
    ['', `$argon2id$v=18$m=64,t=1,p=1$${salt}$${tag}`, '11'],
    ['', `$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}=`, '95'],
    ['', `$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag.slice(0, -1)}5`, 'digest'],
    ['', `$argon2id$v=19$m=64,t=1,p=1$${salt.slice(0, 13)}B$${tag}`, 'salt'],
    ['', `$pbkdf2-sha256$1000$aoWHXwyz0im1Hqg93.N.tB$${digest32}`, 'salt'],
    ['', `$pbkdf2-sha256$01000$aoWHXwyz0im1Hqg93.N.tA$${digest32}`, 'iterations'],
    ['', '$1$toolongasalt$abc', '12'],
    ['', `$5$rounds=999$salt$${'.'.repeat(43)}`, 'rounds'],
    ['', '$P$BIQRaTwm', '5'],
    ['', `{CRYPT}$1$12345678$${crypt}!`, '20'],
    ['', '{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwl=', 'digest'],
    ['', `$wrap1$in=digest,k=0$AAAA$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}`, 'setting'],
    ['', `$x-digest$alg=md5$${salt}`, 'parameters'],
    ['spring', `{bcrypt}$2a$03$${bcryptTail}`, '13'],
    ['kratos-crypt', `$md5-crypt$12345678$${crypt}!`, '21'],
    ['digest', `${hex}\n`, 'digest', { alg: 'md5' }],
    ['salted-digest', hex, 'salt', { alg: 'md5', order: 'salt+password' }],
    ['joomla', `${hex.slice(1)}:x`, '1'],
    ['magento', `${hex}:salt:3`, 'version'],
    ['magento', `${hex}:salt:0x`, '40'],
    ['logto-legacy', '["sha256"', 'JSON'],
    ['logto-legacy', '["sha256",["a"],"00"]', 'arguments'],
    ['keycloak', json('{}', '{}'), 'salt'],
    ['keycloak', json('', '{}'), 'credentialData'],
    ['aspnet-identity', 'AA=', 'base64'],
    ['aspnet-identity', 'Ag==', 'version'],
    ['scrypt-kratos', '$scrypt$ln=1000,r=8,p=1$c2FsdA==$aGFzaA==', 'N'],
    ['', `$2b$05$${bcryptTail}${'x'.repeat(1024)}`, undefined],
    ['', 'hunter2', undefined],
    ['no-such-format', hex, undefined],
  ];
  for (const [format, text, wanted, options = {}] of cases)
    t.equal(placeOf(format, text, options), wanted, `${format} ${text.slice(0, 60)}`);
});

t.test('a place has nothing of the hash in it, whatever was done to that', async (t) => {
  const whole = [
    `$argon2id$v=19$m=64,t=1,p=1$${salt}$${tag}`,
    `$2b$05$${bcryptTail}`,
    `$pbkdf2-sha256$100000$aoWHXwyz0im1Hqg93.N.tA$${digest32}`,
    `$1$12345678$abcdefghijklmnopqrstu.`,
  ];
  for (const text of whole)
    for (let at = 4; at < text.length; at++)
      for (const put of ['', '~', '=', 'A', '0', '$'])
        t.match(
          placeOf('', text.slice(0, at) + put + text.slice(at + 1), {}) ?? '',
          /^(\d{0,3}|m|t|p|salt|digest|iterations)$/,
        );
});

t.test('the first 72 bytes decide in bcrypt, and $2y$ is $2b$', async (t) => {
  const long = '0123456789'.repeat(8);
  const stored = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.XxrQqgBi/5Sxuq9soXzDtjIZ7w5pMfK';
  t.equal(judge(stored, long), 'match');
  t.equal(judge(stored.replace('$2b$', '$2y$'), `${long}!`), 'match');
  t.equal(judge(stored, long.slice(0, 71)), 'mismatch');
});

t.test('both parameter orders of argon2 mean the same record', async (t) => {
  const stored = await argon2Package.hash('pw', { memoryCost: 64, timeCost: 2, parallelism: 2 });
  t.match(stored, 'm=64,t=2,p=2');
  t.equal(judge(stored.replace('t=2,p=2', 'p=2,t=2'), 'pw'), 'match');
  t.equal(judge(stored.replace('t=2,p=2', 'p=2,t=2'), 'pW'), 'mismatch');
  t.equal(judge(`argon2${stored}`, 'pw'), 'match', 'and so does the spelling of Django');
});

t.test('every hash we write is verified by another implementation', async (t) => {
  for (const password of ['correct horse', 'pässwörd ☃', 'x'.repeat(4096), 'a\0b']) {
    const stored = runWork(['hash', password, 64, 1, 1]);
    if (typeof stored !== 'string') throw new Error('no hash was made');
    t.match(stored, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    t.ok(await argon2Package.verify(stored, password));
    t.notOk(await argon2Package.verify(stored, `${password}.`));
    t.equal(judge(stored, password), 'match');
  }
});

t.test('a rehash is due when the record is weaker, never when it is only different', async (t) => {
  const due = (stored: string) => {
    const hash = readHash(stored);
    return isUsable(hash) ? hash.needsRehash(target) : hash;
  };
  const with16 = (params: string) => `$argon2id$v=19$${params}$${salt}$${tag}`;
  t.equal(due(with16('m=19456,t=2,p=1')), false, 'as the policy says');
  t.equal(due(with16('m=65536,t=3,p=4')), false, 'stronger');
  t.equal(due(with16('m=19456,t=2,p=2')), false, 'lanes are not compared');
  t.equal(due(with16('m=19455,t=2,p=1')), true, 'less memory');
  t.equal(due(with16('m=65536,t=1,p=1')), true, 'fewer passes');
  t.equal(due(with16('m=19456,t=2,p=1').replace('argon2id', 'argon2i')), true, 'another variant');
  t.equal(due(with16('m=19456,t=2,p=1').replace('$v=19', '')), true, 'version 16');
  t.equal(due(`$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$${tag}`), true, 'short salt');
  t.equal(due(`$argon2id$v=19$m=19456,t=2,p=1$${salt}$${salt}`), true, 'short tag');
  const bcrypt = readHash(`$2b$12$${bcryptTail}`);
  t.ok(isUsable(bcrypt) && bcrypt.needsRehash(target), 'bcrypt always');
  const high = { memoryKiB: 65_536, passes: 3, lanes: 1 };
  for (const [params, isDue] of [
    ['m=65536,t=3,p=1', false],
    ['m=32768,t=10,p=1', true],
    ['m=262144,t=2,p=1', true],
  ] as const) {
    const hash = readHash(with16(params));
    t.equal(isUsable(hash) && hash.needsRehash(high), isDue, `${params}: each value by itself`);
  }
});

t.test('costs order the formats as measured', async (t) => {
  const cost = (stored: string) => {
    const hash = readHash(stored);
    return isUsable(hash) ? hash.cost.relative : Number.NaN;
  };
  t.equal(cost(`$argon2id$v=19$m=19456,t=2,p=1$${salt}$${tag}`), 1);
  const bcrypt12 = cost(`$2b$12$${bcryptTail}`);
  t.ok(bcrypt12 > 10 && bcrypt12 < 40, `bcrypt 12 costs ${bcrypt12}`);
});
