/**
 * Which of a Cluster's 16,384 slots a key belongs to: CRC-16 (XMODEM) of its hash tag, which is what
 * stands between the first { and the next }, or of the whole key where there is none.
 */
const slots = 16_384;

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

const tagOf = (key: string): string => {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
};

/** From 0 to 16,383. */
export const slotOf = (key: string): number => {
  let crc = 0;
  for (const byte of Buffer.from(tagOf(key)))
    crc = ((crc << 8) ^ (table[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff;
  return crc % slots;
};
