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
export const readBase64 = (text: string): Buffer | undefined => decodeCanonical(text, pad(text));

/** Base64 with padding. */
export const readPaddedBase64 = (text: string): Buffer | undefined => decodeCanonical(text, text);

/** passlib's "ab64": base64 without padding, with `.` in the place of `+`. */
export const readAb64 = (text: string): Buffer | undefined =>
  text.includes('+') ? undefined : readBase64(text.replaceAll('.', '+'));

const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const ofBcrypt = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** bcrypt's own alphabet, exactly `bytes` bytes, trailing bits zero. */
export const readBcrypt64 = (text: string, bytes: number): Buffer | undefined => {
  const inStandard = text.replace(/[./A-Za-z0-9]/g, (c) => standard[ofBcrypt.indexOf(c)] ?? '');
  const read = readBase64(inStandard);
  return read?.length === bytes ? read : undefined;
};
