/**
 * sha-crypt (Drepper's specification of `$5$` and `$6$`). Work grows with rounds and with the length
 * of the password; libxcrypt refuses more than 512 bytes, and so do we.
 */
import { hash, randomBytes } from 'node:crypto';
import { defaultHashNs, defineKind } from './recipe.js';
import { byBits, repeat, stir } from './stir.js';

type ShaCrypt = { alg: string; rounds: number; salt: Uint8Array };

const table: ReadonlyMap<string, { bytes: number; nsPerRound: number }> = new Map([
  ['sha256', { bytes: 32, nsPerRound: 1550 }],
  ['sha512', { bytes: 64, nsPerRound: 1500 }],
]);

const maxPasswordBytes = 512;

export const shacrypt = defineKind<ShaCrypt>({
  id: 'shacrypt',
  fields: { alg: 'word', rounds: 'int', salt: 'bytes' },
  isWithinLimits: ({ alg, rounds, salt }, bytes) =>
    bytes === table.get(alg)?.bytes && rounds >= 1000 && rounds <= 1_000_000 && salt.length <= 16,
  cost: ({ alg, rounds }) => ({
    key: `shacrypt/${alg}/${rounds}`,
    relative: (rounds * (table.get(alg)?.nsPerRound ?? 0)) / defaultHashNs,
    bytes: 65_536,
  }),
  securityClass: () => 'C',
  derive: ({ alg, rounds, salt }, password) => {
    const sum = (...parts: readonly Uint8Array[]) => hash(alg, Buffer.concat(parts), 'buffer');
    // Of a password that is too long: the same work as for any other, and no match.
    const p = password.length <= maxPasswordBytes ? password : randomBytes(32);
    const inner = sum(p, salt, p);
    const first = sum(p, salt, repeat(inner, p.length), ...byBits(p.length, inner, p));
    const ofPassword = sum(repeat(p, p.length * p.length));
    const ofSalt = sum(repeat(salt, salt.length * (16 + (first[0] ?? 0))));
    const pieces = { password: repeat(ofPassword, p.length), salt: repeat(ofSalt, salt.length) };
    return stir(alg, first, pieces, rounds);
  },
});
