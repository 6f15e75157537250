/**
 * argon2 in PHC spelling: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag` (RFC 9106, phc-sf-spec), also in
 * the parameter order m,p,t that npm `argon2` wrote, and Django's with `argon2` in front.
 * No `v=` means version 16. `keyid` and `data` are refused: our library would verify without the key.
 */
import type { Format, Parsed } from './format.js';
import { readBase64, readDecimal } from './strict.js';

const grammar =
  /^(?:argon2)?\$argon2(id|i|d)(?:\$v=(16|19))?\$m=(\d+),(?:t=(\d+),p=(\d+)|p=(\d+),t=(\d+))\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

const parse = (stored: string): Parsed | 'hash_malformed' => {
  const match = grammar.exec(stored);
  if (match === null) return 'hash_malformed';
  const [, v = '', version = '16', m = '', t, p, pSwapped = '', tSwapped = ''] = match;
  const memory = readDecimal(m);
  const passes = readDecimal(t ?? tSwapped);
  const lanes = readDecimal(p ?? pSwapped);
  const salt = readBase64(match[8] ?? '');
  const digest = readBase64(match[9] ?? '');
  if (memory === undefined || passes === undefined || lanes === undefined) return 'hash_malformed';
  if (salt === undefined || digest === undefined) return 'hash_malformed';
  if (salt.length < 8 || digest.length < 16 || lanes < 1 || memory < 8 * lanes)
    return 'hash_malformed';
  const params = { v, version: Number(version), m: memory, t: passes, p: lanes, salt, key: '-' };
  return { recipe: { kind: 'argon2', params }, digest };
};

export const argon2: Format = {
  id: 'argon2',
  identify: (stored) => stored.startsWith('$argon2') || stored.startsWith('argon2$argon2'),
  parse,
};
