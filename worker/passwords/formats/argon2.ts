/**
 * argon2 in PHC spelling: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag` (RFC 9106, phc-sf-spec), also in
 * the parameter order m,p,t that npm `argon2` wrote, Django's with `argon2` in front and OpenLDAP's
 * with `{ARGON2}`. No `v=` means version 16. `keyid` is the id of a key of the ring, as text of 1 to 8
 * bytes: libraries ignore it and verify without the key. `data` is refused, nobody writes it.
 */
import { isKeyId } from '../keys.js';
import type { Format, Parsed, ParseProblem } from './format.js';
import { outside, unread } from './malformed.js';
import { readBase64, readDecimal } from './strict.js';

const grammar =
  /^(?:argon2|\{argon2\})?\$argon2(id|i|d)(?:\$v=(16|19))?\$m=(\d+),(?:t=(\d+),p=(\d+)|p=(\d+),t=(\d+))(?:,keyid=([A-Za-z0-9+/]{2,11}))?\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** The scheme's name is the one part whose case does not matter. */
const lowerScheme = (stored: string): string =>
  /^\{argon2\}/i.test(stored) ? `{argon2}${stored.slice(8)}` : stored;

const readKeyId = (text: string | undefined): string | undefined => {
  if (text === undefined) return '-';
  const id = readBase64(text)?.toString('latin1') ?? '';
  return isKeyId(id) ? id : undefined;
};

const parse = (stored: string): Parsed | ParseProblem => {
  const match = grammar.exec(lowerScheme(stored));
  if (match === null) return outside(grammar, lowerScheme(stored));
  const [, v = '', version = '16', m = '', t, p, pSwapped = '', tSwapped = ''] = match;
  const memory = readDecimal(m);
  const passes = readDecimal(t ?? tSwapped);
  const lanes = readDecimal(p ?? pSwapped);
  const key = readKeyId(match[8]);
  const salt = readBase64(match[9] ?? '');
  const digest = readBase64(match[10] ?? '');
  if (memory === undefined || passes === undefined || lanes === undefined)
    return unread({ m: memory, t: passes, p: lanes });
  if (salt === undefined || digest === undefined || key === undefined)
    return unread({ keyid: key, salt, digest });
  if (salt.length < 8) return 'hash_malformed:salt';
  if (digest.length < 16) return 'hash_malformed:digest';
  if (lanes < 1 || memory < 8 * lanes) return 'hash_malformed:m';
  const params = { v, version: Number(version), m: memory, t: passes, p: lanes, salt, key };
  return { recipe: { kind: 'argon2', params }, digest };
};

export const argon2: Format = {
  id: 'argon2',
  identify: (stored) =>
    stored.startsWith('$argon2') ||
    stored.startsWith('argon2$argon2') ||
    /^\{argon2\}\$argon2/i.test(stored),
  parse,
};
