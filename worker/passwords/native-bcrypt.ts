/** The one door to @node-rs/bcrypt: synchronous, for hash threads only. */
import { hashSync } from '@node-rs/bcrypt';
import { readBcrypt64 } from './formats/strict.js';

/** The 23 digest bytes. */
export const bcrypt = (password: Uint8Array, cost: number, salt: Uint8Array): Uint8Array => {
  const digest = readBcrypt64(hashSync(password, { cost, salt }).slice(29), 23);
  if (digest === undefined) throw new Error('bcrypt answered something else');
  return digest;
};
