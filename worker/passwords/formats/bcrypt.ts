/**
 * bcrypt: `$2b$12$` + 22 characters of salt + 31 of digest. `$2a$`, `$2b$` and `$2y$` name the same
 * algorithm, the last one PHP's (crypt_blowfish); our library gets to see `$2b$` for all.
 * It reads the first 72 bytes of the password and ignores the rest, as the systems that made these
 * hashes did. `$2$` and `$2x$` compute something else and are not claimed.
 */
import { defineFormat } from './format.js';

type Bcrypt = { cost: number; canonical: string };

const grammar = /^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])(\$[./A-Za-z0-9]{53})$/;

export const bcrypt = defineFormat<Bcrypt>({
  id: 'bcrypt',
  identify: (stored) => /^\$2[aby]\$/.test(stored),
  parse: (stored) => {
    const match = grammar.exec(stored);
    if (match === null) return undefined;
    const [, cost = '', rest = ''] = match;
    return { cost: Number(cost), canonical: `$2b$${cost}${rest}` };
  },
  isWithinLimits: ({ cost }) => cost <= 15,
  // 0.78 s at cost 14 where the default hash takes 9.6 ms; each step doubles it.
  cost: ({ cost }) => ({
    key: `bcrypt/${cost}`,
    relative: (81 * 2 ** cost) / 2 ** 14,
    bytes: 8192,
  }),
  verify: ({ canonical }, password) => ['bcrypt', canonical, password],
  needsRehash: () => true,
});
