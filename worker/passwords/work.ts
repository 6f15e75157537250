/**
 * What hash threads compute, synchronously. Parameters were bounded before the work was handed over.
 * argon2 is nearly all of it (new hashes, and every record after its migration), so it stands alone: a
 * thread loads the other functions with the first record that needs one (task.ts), because loading
 * them takes as long as five hashes and a node that starts has others waiting for its core.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Pepper } from './keys.js';
import { argon2, hashArgon2id } from './native-argon2.js';
import { argon2 as argon2Kind } from './recipes/argon2.js';
import type { Keys, Kind, Recipe, Tools } from './recipes/recipe.js';
import type { Wrap } from './recipes/wrap.js';

type Verify = readonly [
  'verify',
  recipe: Recipe,
  digest: Uint8Array,
  password: string | Uint8Array,
  keys: Keys,
];
type Hash = readonly [
  'hash',
  password: string,
  memoryKiB: number,
  passes: number,
  lanes: number,
  pepper?: Pepper | undefined,
  salt?: Uint8Array | undefined,
];
export type Work =
  | Verify
  | Hash
  | readonly ['wrap', params: Wrap, digest: Uint8Array, bytes: number, keys: Keys]
  | readonly ['ping'];

/** Does the password match; the new hash, or a tag in base64. */
export type Result = boolean | string;

export const verifyWith = (
  kind: Kind,
  [, { params }, digest, password, keys]: Verify,
  tools: Tools,
): boolean => {
  const bytes = typeof password === 'string' ? Buffer.from(password) : password;
  const given = { bytes: digest.length, keys, tools };
  return timingSafeEqual(kind.derive(params, bytes, given), digest);
};

const notHere = (): never => {
  throw new Error('argon2 needs no other function');
};
const tools: Tools = { argon2, bcrypt: notHere, crypt: notHere };

/** Undefined: it needs another function than argon2. */
export const runArgon2 = (work: Work): Result | undefined => {
  switch (work[0]) {
    case 'hash': {
      const [, password, memoryKiB, passes, lanes, pepper, salt] = work;
      return hashArgon2id(password, { memoryKiB, passes, lanes, pepper, salt });
    }
    case 'verify':
      return work[1].kind === argon2Kind.id ? verifyWith(argon2Kind, work, tools) : undefined;
    case 'ping':
      return true;
    case 'wrap':
      return undefined;
  }
};
