/**
 * ASP.NET Core Identity: base64 of a marker, parameters, salt and subkey. Version 2 (marker 00) has 16
 * bytes of salt and 32 of key, SHA-1, 1,000 rounds. Version 3 (01) says what it has, in big-endian
 * words. Nothing shows in the string, so it must be declared.
 */
import type { Format, Parsed, ParseProblem } from './format.js';
import { unread } from './malformed.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readPaddedBase64 } from './strict.js';

const prfs = ['sha1', 'sha256', 'sha512'] as const;
const headerBytes = 13;

const readVersion2 = (bytes: Buffer): Parsed | ParseProblem =>
  bytes.length === 49
    ? joinPbkdf2('sha1', '1000', bytes.subarray(1, 17), bytes.subarray(17), 32)
    : 'hash_length';

const readVersion3 = (bytes: Buffer): Parsed | ParseProblem => {
  if (bytes.length < headerBytes) return 'hash_length';
  const prf = prfs[bytes.readUInt32BE(1)];
  const iterations = bytes.readUInt32BE(5);
  const saltBytes = bytes.readUInt32BE(9);
  if (prf === undefined || saltBytes < 16) return unread({ function: prf, salt: undefined });
  const salt = bytes.subarray(headerBytes, headerBytes + saltBytes);
  const key = bytes.subarray(headerBytes + saltBytes);
  if (salt.length < saltBytes || key.length < 16) return 'hash_length';
  return joinPbkdf2(prf, String(iterations), salt, key, key.length);
};

export const aspnetIdentity: Format = {
  id: 'aspnet-identity',
  parse: (stored) => {
    const bytes = readPaddedBase64(stored);
    if (bytes === undefined || bytes.length === 0) return 'hash_malformed:base64';
    if (bytes[0] === 0) return readVersion2(bytes);
    return bytes[0] === 1 ? readVersion3(bytes) : 'hash_malformed:version';
  },
};
