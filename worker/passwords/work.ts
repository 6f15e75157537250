/** What hash threads compute, synchronously. Parameters were bounded before the work was handed over. */
import { timingSafeEqual } from 'node:crypto';
import type { Pepper } from './keys.js';
import { libcrypt } from './libcrypt.js';
import { argon2, hashArgon2id } from './native-argon2.js';
import { bcrypt } from './native-bcrypt.js';
import { toBase64 } from './recipes/params.js';
import type { Keys, Recipe, Tools } from './recipes/recipe.js';
import { kindOf } from './recipes/recipes.js';
import { type Wrap, wrapTag } from './recipes/wrap.js';

export type Work =
  | readonly [
      'verify',
      recipe: Recipe,
      digest: Uint8Array,
      password: string | Uint8Array,
      keys: Keys,
    ]
  | readonly [
      'hash',
      password: string,
      memoryKiB: number,
      passes: number,
      lanes: number,
      pepper?: Pepper | undefined,
      salt?: Uint8Array | undefined,
    ]
  | readonly ['wrap', params: Wrap, digest: Uint8Array, bytes: number, keys: Keys]
  | readonly ['ping'];

/** Does the password match; the new hash, or a tag in base64. */
export type Result = boolean | string;

const tools: Tools = { argon2, bcrypt, crypt: libcrypt };

const verify = (
  recipe: Recipe,
  digest: Uint8Array,
  password: string | Uint8Array,
  keys: Keys,
): boolean => {
  const bytes = typeof password === 'string' ? Buffer.from(password) : password;
  const given = { bytes: digest.length, keys, tools };
  return timingSafeEqual(kindOf(recipe).derive(recipe.params, bytes, given), digest);
};

/**
 * The answer to any work; passwords are compared in constant time. Throws for what should have been
 * refused before.
 */
export const runWork = (work: Work): Result => {
  switch (work[0]) {
    case 'verify':
      return verify(work[1], work[2], work[3], work[4]);
    case 'hash': {
      const [, password, memoryKiB, passes, lanes, pepper, salt] = work;
      return hashArgon2id(password, { memoryKiB, passes, lanes, pepper, salt });
    }
    case 'wrap': {
      const [, params, digest, bytes, keys] = work;
      return toBase64(wrapTag(params, digest, { bytes, keys, tools }));
    }
    case 'ping':
      return true;
  }
};
