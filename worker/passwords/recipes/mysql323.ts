/** MySQL's `OLD_PASSWORD` (before 4.1): 62 bits of arithmetic that skips spaces and tabs. */

const mask31 = 0x7fffffffn;
const mask32 = 0xffffffffn;

/** Does this byte make no difference? */
export const isSkipped = (byte: number): boolean => byte === 0x20 || byte === 0x09;

/** A loop over at most 4096 bytes. */
export const mysql323 = (password: Uint8Array): Buffer => {
  let [a, b, add] = [1345345333n, 0x12345671n, 7n];
  for (const byte of password) {
    if (isSkipped(byte)) continue;
    const value = BigInt(byte);
    a = (a ^ (((a & 63n) + add) * value + (a << 8n))) & mask32;
    b = (b + ((b << 8n) ^ a)) & mask32;
    add = (add + value) & mask32;
  }
  const out = Buffer.alloc(8);
  out.writeUInt32BE(Number(a & mask31));
  out.writeUInt32BE(Number(b & mask31), 4);
  return out;
};
