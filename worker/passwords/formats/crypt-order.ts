/** The digests of crypt(3)'s functions are written in an order of their own. */
import { readCrypt64 } from './strict.js';

/** `order[i]` is the place in the digest of the i-th byte as written. */
export const readPermuted = (text: string, order: readonly number[]): Buffer | undefined => {
  const written = readCrypt64(text);
  if (written === undefined || written.length !== order.length) return undefined;
  const digest = Buffer.alloc(order.length);
  for (const [index, place] of order.entries()) digest[place] = written[index] ?? 0;
  return digest;
};
