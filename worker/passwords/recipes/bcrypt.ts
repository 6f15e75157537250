/** bcrypt (`$2b$`; `$2a$` and `$2y$` name the same function). Reads 72 bytes of the password. */
import { type Cost, defineKind } from './recipe.js';

export type Bcrypt = { cost: number; salt: Uint8Array };

// 0.78 s at cost 14 where the default hash takes 9.6 ms; each step doubles it.
const costOf = (cost: number): Cost => ({
  key: `bcrypt/${cost}`,
  relative: (81 * 2 ** cost) / 2 ** 14,
  bytes: 8192,
});

export const bcrypt = defineKind<Bcrypt>({
  id: 'bcrypt',
  fields: { cost: 'int', salt: 'bytes' },
  isWithinLimits: ({ cost, salt }, bytes) =>
    cost >= 4 && cost <= 15 && salt.length === 16 && bytes === 23,
  cost: ({ cost }) => costOf(cost),
  securityClass: ({ cost }) => (cost >= 10 ? 'B' : 'C'),
  derive: ({ cost, salt }, password, { tools }) => tools.bcrypt(password, cost, salt),
});
