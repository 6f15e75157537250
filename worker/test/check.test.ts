import t from 'tap';
import { codeOf } from '../../shared/errors.js';
import type { Credential } from '../credentials/credentials.js';
import { createAdmission, type Ticket } from '../passwords/admission.js';
import { createCheck } from '../passwords/check.js';
import { lackTextOf } from '../passwords/formats/format.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { createKeyRing } from '../passwords/keys.js';
import { argon2Cost } from '../passwords/recipes/argon2.js';
import type { Keys } from '../passwords/recipes/recipe.js';
import type { Work } from '../passwords/work.js';
import { runWork } from '../passwords/work.js';

const hashOf = (password: string) => String(runWork(['hash', password, 64, 1, 1]));
const right = 'Amélie Poulain';
const decoy = hashOf('nobody knows');
const stored = hashOf(right);
const bcrypt = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';

const credential = (change: Partial<Credential> = {}): Credential => ({
  userId: 'u_1',
  hash: stored,
  version: '1',
  norm: 'nfc',
  scopes: '',
  attempt: '',
  gen: 1,
  isActive: true,
  pending: '',
  name: '',
  ...change,
});

/** What a thread is asked when this is the hash; the password may be any. */
const readWork = (hash: string) => {
  const read = readHash(hash);
  if (!isUsable(read)) throw new Error('not a usable hash');
  return { 0: 'verify', 1: read.recipe, 2: read.digest };
};

const createSetup = (keys: Keys = {}) => {
  const works: Work[] = [];
  const problems: object[] = [];
  const admission = createAdmission({
    slots: 1,
    memoryBytes: 2 ** 30,
    defaultCost: argon2Cost(64, 1),
    send: (_, work, done) => {
      works.push(work);
      setImmediate(() => done(undefined, runWork(work)));
    },
  });
  const log = { error: (fields: object) => void problems.push(fields) };
  const check = createCheck({ admission, decoy, keys: createKeyRing({ keys }), log });
  const enter = (): Ticket =>
    admission.enter({ class: 'login', deadlineAt: Number.POSITIVE_INFINITY, isGone: () => false });
  const outcome = async (found: Credential | undefined, password: string) =>
    (await check(enter(), found, password)).outcome;
  return { outcome, works, problems };
};

t.test('right and wrong passwords', async (t) => {
  const { outcome } = createSetup();
  t.equal(await outcome(credential(), right), 'ok');
  t.equal(await outcome(credential(), 'wrong'), 'denied');
  t.equal(await outcome(credential({ hash: bcrypt, norm: 'raw' }), 'a'), 'ok');
});

t.test('every way through costs exactly one hash', async (t) => {
  const ways: [string, Credential | undefined, string][] = [
    ['unknown', undefined, decoy],
    ['disabled', credential({ isActive: false }), stored],
    ['empty', credential({ hash: '' }), decoy],
    ['corrupt', credential({ hash: `${stored}=` }), decoy],
    ['too dear', credential({ hash: bcrypt.replace('$05$', '$31$') }), decoy],
  ];
  for (const [name, found, worked] of ways) {
    const { outcome, works, problems } = createSetup();
    t.equal(await outcome(found, right), 'denied', name);
    t.equal(works.length, 1, name);
    t.match(works[0], readWork(worked), name);
    const isFault = worked === decoy && found !== undefined && found.hash !== '';
    t.equal(problems.length, isFault ? 1 : 0, name);
    t.notMatch(JSON.stringify(problems), 'argon2id');
  }
});

t.test('the password that made the decoy opens nothing', async (t) => {
  const { outcome } = createSetup();
  t.equal(await outcome(undefined, 'nobody knows'), 'denied');
  t.equal(await outcome(credential({ hash: 'unusable' }), 'nobody knows'), 'denied');
});

t.test('records of our own are normalised, imported ones are taken as sent', async (t) => {
  const { outcome } = createSetup();
  const decomposed = right.normalize('NFD');
  t.equal(await outcome(credential(), decomposed), 'ok');
  t.equal(await outcome(credential({ norm: 'raw' }), decomposed), 'denied');
  t.equal(await outcome(credential({ norm: 'raw' }), right), 'ok');
});

t.test('a record under a pepper: right, wrong, and unknown while its key is away', async (t) => {
  const pepper = { id: 'p1', bytes: Buffer.alloc(32, 1) };
  const peppered = credential({ hash: String(runWork(['hash', right, 64, 1, 1, pepper])) });
  const with1 = createSetup({ p1: pepper.bytes });
  t.equal(await with1.outcome(peppered, right), 'ok');
  t.equal(await with1.outcome(peppered, 'wrong'), 'denied');
  const other = createSetup({ p1: Buffer.alloc(32, 2) });
  t.equal(await other.outcome(peppered, right), 'denied', 'the key is part of the hash');
  const without = createSetup({ p2: pepper.bytes });
  for (const password of [right, 'wrong']) {
    const code = await without.outcome(peppered, password).catch(codeOf);
    t.equal(code, 'key_missing', 'neither right nor wrong');
  }
  t.same(without.works, [], 'and nothing is computed');
});

t.test('a declared text that lacks a key or a library is neither right nor wrong', async (t) => {
  const lacking = [
    ['key_unknown', 'key_missing'],
    ['hash_unsupported', 'library_missing'],
  ] as const;
  for (const [problem, expected] of lacking) {
    const { outcome, works, problems } = createSetup({ k1: Buffer.alloc(32) });
    const found = credential({ hash: lackTextOf(problem) ?? '', stored: '$hmac-sha256$…' });
    t.equal(await outcome(found, right).catch(codeOf), expected);
    t.same(works, []);
    t.match(problems, [{ problem }]);
  }
});
