/**
 * All public vectors, each in the format that it is declared as, over the whole way of an import and a
 * login: declared, written as it would be stored, read again, verified by the thread's code. The
 * slowest are left to `SLOW_VECTORS=1`.
 */
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { candidatesOf } from '../passwords/formats/detect.js';
import type { Options } from '../passwords/formats/format.js';
import { formats, isUsable, readDeclared, readHash } from '../passwords/formats/formats.js';
import type { Recipe } from '../passwords/recipes/recipe.js';
import { kindOf } from '../passwords/recipes/recipes.js';
import { writeStored } from '../passwords/recipes/text.js';
import { runWork } from '../passwords/task.js';

type Context = {
  algo?: string;
  order?: string;
  prehash?: string;
  signerKey?: string;
  pepper?: string;
  kind?: string;
};
type Vector = {
  id: string;
  format: string;
  encoded: string;
  password: string | { hex: string };
  outcome: 'match' | 'mismatch' | 'malformed' | 'reject' | 'out-of-bounds';
  tier: 'core' | 'extended' | 'contested';
  slow?: boolean;
  context?: Context;
};

/** Our names, where they differ from those of the file. */
const renamed: Readonly<Record<string, string>> = {
  'argon2-django': 'argon2',
  'argon2-ldap': 'argon2',
  'sha256-crypt': 'sha-crypt',
  'sha512-crypt': 'sha-crypt',
  'apr1-md5': 'md5-crypt',
  drupal7: 'drupal',
  'raw-hex': 'digest',
  'salted-hex': 'salted-digest',
  'hmac-werkzeug': 'werkzeug-digest',
  'mybb-ipb': 'mybb',
  'spring-ldap': 'spring',
  'spring-digest': 'spring',
  'spring-bcrypt': 'spring',
  'pbkdf2-spring': 'spring',
  'scrypt-spring': 'spring',
  'spring-argon2': 'spring',
};

const orders: Readonly<Record<string, string>> = {
  prefix: 'salt+password',
  suffix: 'password+salt',
  'hmac-salt-key': 'hmac-salt',
  'hmac-password-key': 'hmac-password',
};

const optionsOf = ({ algo, order, prehash, signerKey }: Context): Options => ({
  ...(algo ? { alg: algo } : {}),
  ...(order ? { order: orders[order] ?? order } : {}),
  ...(prehash ? { prehash } : {}),
  ...(signerKey ? { key: 'k1' } : {}),
});

const file = new URL('../../../shared/vectors/legacy-hashes.json', import.meta.url);
const isHere = existsSync(file);
const vectors: Vector[] = isHere ? JSON.parse(readFileSync(file, 'utf8')) : [];
const skip = !isHere && !process.env.CI ? 'the vectors are not on this machine' : false;
const isSlowToo = process.env.SLOW_VECTORS === '1';

const formatOf = ({ format }: Vector): string => renamed[format] ?? format;

/** The recipe with its secret moved to the key ring, as an import leaves it. */
const withKey = (recipe: Recipe): Recipe => {
  const names = Object.entries(kindOf(recipe).fields).flatMap(([n, type]) =>
    type === 'key' ? [n] : [],
  );
  return {
    kind: recipe.kind,
    params: { ...recipe.params, ...Object.fromEntries(names.map((name) => [name, 'k1'])) },
  };
};

const judge = (vector: Vector): string => {
  const { encoded, password, context = {} } = vector;
  const read = readDeclared(formatOf(vector), encoded, optionsOf(context));
  if (!isUsable(read)) return read;
  const recipe = read.secret === undefined ? read.recipe : withKey(read.recipe);
  const stored = readHash(writeStored(recipe, read.digest));
  if (!isUsable(stored)) return `not stored: ${stored}`;
  const secret = read.secret ?? Buffer.from(context.signerKey ?? '', 'base64');
  const bytes = typeof password === 'string' ? password : Buffer.from(password.hex, 'hex');
  return runWork(stored.verify(bytes, { k1: secret })) === true ? 'match' : 'mismatch';
};

/** A digest that no function writes can match nothing: it may be refused when it is read. */
const wantedOf = ({ outcome }: Vector): RegExp => {
  if (outcome === 'match') return /^match$/;
  return outcome === 'mismatch' ? /^(mismatch|hash_(malformed|length))$/ : /^hash_/;
};

t.test('core and extended vectors come out as expected, every one', { skip }, async (t) => {
  let left = 0;
  for (const vector of vectors) {
    const { id, format, tier, encoded, slow = false } = vector;
    if (tier === 'contested') continue;
    if (slow && !isSlowToo) left++;
    else t.match(judge(vector), wantedOf(vector), `${id} ${format} ${encoded.slice(0, 40)}`);
  }
  t.comment(`${left} slow vectors left out`);
});

t.test(
  'no string is claimed twice, and what nobody claims names its format',
  { skip },
  async (t) => {
    for (const vector of vectors) {
      const { encoded, outcome, id } = vector;
      const claims = formats.filter(({ identify }) => identify?.(encoded) === true);
      t.ok(claims.length <= 1, `${id} ${claims.map((claim) => claim.id)}`);
      const read = readHash(encoded);
      if (outcome !== 'match' || claims.length === 1) continue;
      t.equal(read, 'hash_ambiguous', `${id} ${encoded}`);
      t.ok(candidatesOf(encoded).includes(formatOf(vector)), `${id} ${candidatesOf(encoded)}`);
    }
  },
);
