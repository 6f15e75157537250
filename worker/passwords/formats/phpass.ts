/**
 * phpass's portable hash, `$P$` (WordPress) or `$H$` (phpBB 3), and Drupal 7's `$S$`; with `U` in front
 * the same over the hex md5 of the password, as Drupal left older hashes. One character of cost, eight
 * of salt. Costs below 2^7 the products themselves refuse.
 */
import type { Format, Parsed, ParseProblem } from './format.js';
import { outside, shifted } from './malformed.js';
import { readCrypt64, readCryptNumber } from './strict.js';

const minLog = 7;
const rest = /^([./0-9A-Za-z])([\x21-\x7e]{8})([./0-9A-Za-z]+)$/;

type Variant = { alg: string; pre: string; chars: number; bytes: number };

const variants: Readonly<Record<string, Variant>> = {
  $P$: { alg: 'md5', pre: 'none', chars: 22, bytes: 16 },
  $H$: { alg: 'md5', pre: 'none', chars: 22, bytes: 16 },
  U$P$: { alg: 'md5', pre: 'md5', chars: 22, bytes: 16 },
  $S$: { alg: 'sha512', pre: 'none', chars: 43, bytes: 33 },
  U$S$: { alg: 'sha512', pre: 'md5', chars: 43, bytes: 33 },
};

const read = (stored: string, own: RegExp): Parsed | ParseProblem => {
  const prefix = own.exec(stored)?.[0] ?? '';
  const variant = variants[prefix];
  if (variant === undefined) return 'hash_malformed:1';
  const behind = stored.slice(prefix.length);
  const match = rest.exec(behind);
  if (match === null) return shifted(outside(rest, behind), prefix.length);
  const [, cost = '', salt = '', digestText = ''] = match;
  const log = readCryptNumber(cost);
  if (log === undefined || log < minLog) return 'hash_malformed:cost';
  const { alg, pre, chars, bytes } = variant;
  if (digestText.length !== chars) return 'hash_length';
  // Drupal's cut leaves two bits of a byte: `.` stands for the six that are missing.
  const digest = readCrypt64(digestText.padEnd(Math.ceil(bytes / 3) * 4, '.'))?.subarray(0, bytes);
  if (digest === undefined) return 'hash_malformed:digest';
  return { recipe: { kind: 'phpass', params: { alg, log, salt: Buffer.from(salt), pre } }, digest };
};

const ofPhpass = /^\$[PH]\$/;
const ofDrupal = /^(U?\$S\$|U\$P\$)/;

export const phpass: Format = {
  id: 'phpass',
  identify: (stored) => ofPhpass.test(stored),
  parse: (text) => read(text, ofPhpass),
};

export const drupal: Format = {
  id: 'drupal',
  identify: (stored) => ofDrupal.test(stored),
  parse: (text) => read(text, ofDrupal),
};
