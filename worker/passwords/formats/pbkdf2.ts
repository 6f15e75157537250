/** What the spellings of PBKDF2 share: the pieces joined, with the digest at its full length. */
import type { Parsed, ParseProblem } from './format.js';
import { unread } from './malformed.js';
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
): Parsed | ParseProblem => {
  const i = readDecimal(iterationText);
  if (i === undefined || salt === undefined || digest === undefined)
    return unread({ iterations: i, salt, digest });
  if (i < 1) return 'hash_malformed:iterations';
  if (digest.length !== bytes) return 'hash_length';
  return { recipe: { kind: 'pbkdf2', params: { prf, i, salt } }, digest };
};
