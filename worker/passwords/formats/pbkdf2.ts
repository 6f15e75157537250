/** What the spellings of PBKDF2 share: the pieces joined, with the digest at its full length. */
import type { Parsed } from './format.js';
import { readDecimal } from './strict.js';

const digestBytes: Readonly<Record<string, number>> = {
  sha1: 20,
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/**
 * The record, or what is wrong with it. `bytes`: the length that the product writes, when it is not
 * the full length of the function.
 */
export const joinPbkdf2 = (
  prf: string,
  iterationText: string,
  salt: Uint8Array | undefined,
  digest: Uint8Array | undefined,
  bytes = digestBytes[prf],
): Parsed | 'hash_malformed' | 'hash_length' => {
  const i = readDecimal(iterationText);
  if (i === undefined || i < 1 || salt === undefined || digest === undefined)
    return 'hash_malformed';
  if (digest.length !== bytes) return 'hash_length';
  return { recipe: { kind: 'pbkdf2', params: { prf, i, salt } }, digest };
};
