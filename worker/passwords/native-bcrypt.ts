/** The one door to @node-rs/bcrypt: synchronous, for hash threads only. Loaded at the first use. */
import { createRequire } from 'node:module';
import { readBcrypt64 } from './formats/strict.js';
import { lazily } from './lazily.js';

const require = createRequire(import.meta.url);
const load = lazily((): typeof import('@node-rs/bcrypt') => require('@node-rs/bcrypt'));

/** The 23 digest bytes. */
export const bcrypt = (password: Uint8Array, cost: number, salt: Uint8Array): Uint8Array => {
  const digest = readBcrypt64(load().hashSync(password, { cost, salt }).slice(29), 23);
  if (digest === undefined) throw new Error('bcrypt answered something else');
  return digest;
};
