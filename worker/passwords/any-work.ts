/** Every work that there is, with all functions that stored hashes were ever made with. */
import { libcrypt } from './libcrypt.js';
import { argon2 } from './native-argon2.js';
import { bcrypt } from './native-bcrypt.js';
import { toBase64 } from './recipes/params.js';
import type { Tools } from './recipes/recipe.js';
import { kindOf } from './recipes/recipes.js';
import { wrapTag } from './recipes/wrap.js';
import { type Result, runArgon2, verifyWith, type Work } from './work.js';

const tools: Tools = { argon2, bcrypt, crypt: libcrypt };

const runOther = (work: Work): Result => {
  if (work[0] === 'verify') return verifyWith(kindOf(work[1]), work, tools);
  if (work[0] !== 'wrap') throw new Error('no such work');
  const [, params, digest, bytes, keys] = work;
  return toBase64(wrapTag(params, digest, { bytes, keys, tools }));
};

export const runWork = (work: Work): Result => runArgon2(work) ?? runOther(work);
