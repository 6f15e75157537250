/** MD4 (RFC 1320), which OpenSSL 3 no longer offers: for NT hashes and a few old exports. */

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/** Per round: the function, its constant, the order of the words and the four rotations. */
const rounds: readonly {
  mix: (x: number, y: number, z: number) => number;
  add: number;
  order: readonly number[];
  shifts: readonly [number, number, number, number];
}[] = [
  {
    mix: (x, y, z) => (x & y) | (~x & z),
    add: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
    add: 0x5a827999,
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    add: 0x6ed9eba1,
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
  },
];

const pad = (message: Uint8Array): Buffer => {
  const padded = Buffer.alloc(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeUInt32LE(message.length * 8, padded.length - 8);
  return padded;
};

/** For messages of less than 512 MiB. */
export const md4 = (message: Uint8Array): Buffer => {
  const padded = pad(message);
  let [a, b, c, d] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let at = 0; at < padded.length; at += 64) {
    const before = [a, b, c, d] as const;
    for (const { mix, add, order, shifts } of rounds)
      for (const [step, word] of order.entries()) {
        const sum = a + mix(b, c, d) + padded.readUInt32LE(at + word * 4) + add;
        [a, b, c, d] = [d, rotate(sum | 0, shifts[step % 4] ?? 0), b, c];
      }
    [a, b, c, d] = [
      (a + before[0]) | 0,
      (b + before[1]) | 0,
      (c + before[2]) | 0,
      (d + before[3]) | 0,
    ];
  }
  const out = Buffer.alloc(16);
  for (const [index, word] of [a, b, c, d].entries()) out.writeInt32LE(word | 0, index * 4);
  return out;
};
