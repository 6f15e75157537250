/**
 * The loop that md5-crypt invented and sha-crypt kept: each round hashes the last digest with password
 * and salt, in an order that repeats every 42 rounds. So 42 messages are laid out once, and a round
 * only copies the digest into its place.
 */
import { hash } from 'node:crypto';

const period = 42;

/** The digest after `rounds` rounds that start from `first`. */
export const stir = (
  alg: string,
  first: Buffer,
  { password, salt }: { password: Uint8Array; salt: Uint8Array },
  rounds: number,
): Buffer => {
  const frames = Array.from({ length: period }, (_, round) => {
    const middle = [...(round % 3 ? [salt] : []), ...(round % 7 ? [password] : [])];
    const isOdd = round % 2 === 1;
    const parts = isOdd ? [password, ...middle, first] : [first, ...middle, password];
    const message = Buffer.concat(parts);
    return { message, at: isOdd ? message.length - first.length : 0 };
  });
  let digest = first;
  for (let left = rounds; left > 0; left -= period)
    for (const { message, at } of frames.slice(0, left)) {
      message.set(digest, at);
      digest = hash(alg, message, 'buffer');
    }
  return digest;
};

/** `bytes` over and over, `length` bytes of it. */
export const repeat = (bytes: Uint8Array, length: number): Buffer =>
  length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, bytes);

/** One piece per bit of `length`, lowest first. */
export const byBits = (length: number, one: Uint8Array, zero: Uint8Array): Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  for (let left = length; left > 0; left >>>= 1) pieces.push(left & 1 ? one : zero);
  return pieces;
};
