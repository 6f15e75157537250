/**
 * The base64 of crypt(3) and phpass: `./0-9A-Za-z`, lowest six bits first. crypt's functions also write
 * their digest in an order of their own.
 */
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The value of one character, as phpass writes its cost. */
export const crypt64Value = (char: string): number => alphabet.indexOf(char);

/** Exactly `bytes` bytes; bits beyond them must be zero, bits short of them are. */
export const readCrypt64 = (text: string, bytes: number): Buffer | undefined => {
  const out = Buffer.alloc(Math.ceil((text.length * 6) / 8) + 1);
  for (const [index, char] of [...text].entries()) {
    const value = alphabet.indexOf(char);
    if (value < 0) return undefined;
    const at = (index * 6) >> 3;
    out.writeUInt16LE(out.readUInt16LE(at) | (value << ((index * 6) & 7)), at);
  }
  if (out.subarray(bytes).some((byte) => byte !== 0)) return undefined;
  return Buffer.concat([out], bytes);
};

/** `order[i]` is the place in the digest of the i-th byte as written. */
export const readPermuted = (text: string, order: readonly number[]): Buffer | undefined => {
  const written = readCrypt64(text, order.length);
  if (written === undefined) return undefined;
  const digest = Buffer.alloc(order.length);
  for (const [index, place] of order.entries()) digest[place] = written[index] ?? 0;
  return digest;
};
