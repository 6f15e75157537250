/**
 * The portable hash of phpass: 2^log rounds of md5, and Drupal 7's variant of it over sha512. Drupal
 * cuts what it stores to 55 characters, which leaves 32 bytes and two bits: its digests here have 33
 * bytes, six bits of the last one zero. `pre` = md5: over the hex md5 of the password, as Drupal left
 * it when it wrapped older hashes.
 */
import { hash, randomBytes } from 'node:crypto';
import { defaultHashNs, defineKind } from './recipe.js';

type Phpass = { alg: string; log: number; salt: Uint8Array; pre: string };

type Row = { digestBytes: number; nsPerRound: number };

/**
 * WordPress itself refuses more than 4096 bytes, Drupal more than 512. Beyond 2^13 rounds, which is what
 * phpass's users write at most, the length of a password must not multiply the work.
 */
const maxPasswordBytes = (alg: string, log: number): number =>
  alg === 'md5' && log <= 13 ? 4096 : 512;

const table: ReadonlyMap<string, Row> = new Map([
  ['md5', { digestBytes: 16, nsPerRound: 1150 }],
  ['sha512', { digestBytes: 33, nsPerRound: 1400 }],
]);

const rowOf = (alg: string): Row => {
  const row = table.get(alg);
  if (row === undefined) throw new Error('no such phpass');
  return row;
};

const inputOf = (pre: string, password: Uint8Array, maxBytes: number): Uint8Array => {
  if (pre === 'md5') return Buffer.from(hash('md5', password, 'hex'));
  // The same work as for any other password, and no match.
  return password.length <= maxBytes ? password : randomBytes(32);
};

export const phpass = defineKind<Phpass>({
  id: 'phpass',
  fields: { alg: 'word', log: 'int', salt: 'bytes', pre: 'word' },
  isWithinLimits: ({ alg, log, salt, pre }, bytes) =>
    bytes === table.get(alg)?.digestBytes &&
    log >= 7 &&
    log <= 18 &&
    salt.length === 8 &&
    ['none', 'md5'].includes(pre),
  cost: ({ alg, log }) => ({
    key: `phpass/${alg}/${log}`,
    relative: (2 ** log * rowOf(alg).nsPerRound) / defaultHashNs,
    bytes: 8192,
  }),
  securityClass: () => 'C',
  derive: ({ alg, log, salt, pre }, password, { bytes }) => {
    const input = inputOf(pre, password, maxPasswordBytes(alg, log));
    let value = hash(alg, Buffer.concat([salt, input]), 'buffer');
    const message = Buffer.concat([value, input]);
    for (let left = 2 ** log; left > 0; left--) {
      message.set(value);
      value = hash(alg, message, 'buffer');
    }
    const kept = value.subarray(0, bytes);
    if (alg === 'sha512') kept[bytes - 1] = (kept[bytes - 1] ?? 0) & 3;
    return kept;
  },
});
