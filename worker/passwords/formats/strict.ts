/**
 * Strict readers for the pieces of stored hashes. Lenient ones let two spellings of one record exist
 * (`0x100`, `2^32 + 256`, stray base64 bits), and a limit checked on one spelling misses the other.
 */

/** A decimal without sign, leading zeros or more than ten digits; undefined for anything else. */
export const readDecimal = (text: string): number | undefined =>
  /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : undefined;

const decodeCanonical = (text: string, padded: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === padded ? bytes : undefined;
};

const pad = (text: string): string => text.padEnd(Math.ceil(text.length / 4) * 4, '=');

/** Base64 without padding, trailing bits zero (PHC). */
export const readBase64 = (text: string): Buffer | undefined =>
  text.endsWith('=') ? undefined : decodeCanonical(text, pad(text));

/** Base64 with padding. */
export const readPaddedBase64 = (text: string): Buffer | undefined => decodeCanonical(text, text);

/** passlib's "ab64": base64 without padding, with `.` in the place of `+`. */
export const readAb64 = (text: string): Buffer | undefined =>
  text.includes('+') ? undefined : readBase64(text.replaceAll('.', '+'));

const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const ofBcrypt = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/**
 * Base64 for readers of products that write it in several ways: standard or URL-safe, with padding or
 * without; trailing bits zero all the same.
 */
export const readAnyBase64 = (text: string): Buffer | undefined => {
  const standardText = text.replaceAll('-', '+').replaceAll('_', '/');
  return readBase64(standardText) ?? readPaddedBase64(standardText);
};

/** Pairs of hexadecimal digits, in either case. */
export const readHex = (text: string): Buffer | undefined =>
  /^(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex') : undefined;

/** bcrypt's own alphabet, exactly `bytes` bytes, trailing bits zero. */
export const readBcrypt64 = (text: string, bytes: number): Buffer | undefined => {
  const inStandard = text.replace(/[./A-Za-z0-9]/g, (c) => standard[ofBcrypt.indexOf(c)] ?? '');
  const read = readBase64(inStandard);
  return read?.length === bytes ? read : undefined;
};

/** The spelling that `readBcrypt64` reads. */
export const writeBcrypt64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('base64')
    .replace(/=+$/, '')
    .replace(/[A-Za-z0-9+/]/g, (c) => ofBcrypt[standard.indexOf(c)] ?? '');

const ofCrypt = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A number in the alphabet of crypt(3), low digits first; undefined for anything else. */
export const readCryptNumber = (text: string): number | undefined => {
  let value = 0;
  for (const [index, char] of [...text].entries()) {
    const digit = ofCrypt.indexOf(char);
    if (digit < 0) return undefined;
    value += digit * 64 ** index;
  }
  return value;
};

/** Bytes as crypt(3) writes them: three in four characters, low bits first; trailing bits zero. */
export const readCrypt64 = (text: string): Buffer | undefined => {
  const groups = text.match(/.{1,4}/gs) ?? [];
  const bytes = groups.flatMap((group) => {
    const value = readCryptNumber(group) ?? Number.NaN;
    const count = Math.floor((group.length * 6) / 8);
    const isFull = value < 256 ** count;
    return isFull
      ? [0, 1, 2].slice(0, count).map((i) => Math.floor(value / 256 ** i) & 255)
      : [NaN];
  });
  return bytes.some(Number.isNaN) ? undefined : Buffer.from(bytes);
};
