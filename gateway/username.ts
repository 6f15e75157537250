/**
 * A user name in its one canonical form, and the key of its account. Every limit, route and record
 * hangs on that key, so two spellings of one name must meet here or nowhere (RFC 8265, case mapped).
 */
import { createHmac } from 'node:crypto';
import { AppError } from '../shared/errors.js';

/** Names that are already canonical, which is nearly all of them: no Unicode work needed. */
const plain = /^[a-z0-9._@+-]{1,256}$/;
/** Fullwidth and halfwidth forms and the ideographic space: the only compatibility mapping we do. */
const wide = /[\u3000\uFF01-\uFFEE]/g;
/** Control, format, surrogate, private, unassigned; every separator but U+0020. */
const forbidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]|(?! )\p{Z}/u;
const maxCodePoints = 256;

const map = (name: string): string =>
  name
    .replace(wide, (char) => char.normalize('NFKC'))
    .toLowerCase()
    .normalize('NFC');

/** Canonical name, or AppError bad_request. Nothing is trimmed: a space at an end is refused. */
export const normaliseUsername = (name: string): string => {
  if (plain.test(name)) return name;
  const length = name.length > 2 * maxCodePoints ? Number.POSITIVE_INFINITY : [...name].length;
  if (length < 1 || length > maxCodePoints)
    throw new AppError('bad_request', { reason: 'username_length' });
  const mapped = map(name);
  const isStable = map(mapped) === mapped;
  if (!isStable || forbidden.test(mapped) || mapped.startsWith(' ') || mapped.endsWith(' '))
    throw new AppError('bad_request', { reason: 'username_character' });
  return mapped;
};

export type Accounts = ReturnType<typeof createAccounts>;

/** From a name as sent to its canonical form and account key; throws bad_request. */
export const createAccounts =
  (nameKey: Buffer) =>
  (username: string): { name: string; u: string } => {
    const name = normaliseUsername(username);
    return { name, u: accountKey(nameKey, name) };
  };

/** `u`: 128 bits of HMAC-SHA256 over the canonical name, base64url, 22 characters. */
const accountKey = (nameKey: Buffer, canonicalName: string): string =>
  createHmac('sha256', nameKey)
    .update(canonicalName)
    .digest()
    .subarray(0, 16)
    .toString('base64url');
