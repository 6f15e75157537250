/** md5-crypt of FreeBSD (`magic` 1) and Apache (apr1): 1000 rounds of md5, never more. */
import { hash } from 'node:crypto';
import { defaultHashNs, defineKind } from './recipe.js';
import { byBits, repeat, stir } from './stir.js';

type Md5Crypt = { magic: string; salt: Uint8Array };

const rounds = 1000;
const nsPerRound = 1250;

const md5 = (...parts: readonly Uint8Array[]): Buffer =>
  hash('md5', Buffer.concat(parts), 'buffer');

export const md5crypt = defineKind<Md5Crypt>({
  id: 'md5crypt',
  fields: { magic: 'word', salt: 'bytes' },
  isWithinLimits: ({ magic, salt }, bytes) =>
    ['1', 'apr1'].includes(magic) && salt.length <= 8 && bytes === 16,
  cost: () => ({ key: 'md5crypt', relative: (rounds * nsPerRound) / defaultHashNs, bytes: 65_536 }),
  securityClass: () => 'C',
  derive: ({ magic, salt }, password) => {
    const inner = repeat(md5(password, salt, password), password.length);
    // The zero byte and the password's first byte: a slip of the first implementation that stayed.
    const bits = byBits(password.length, Buffer.alloc(1), password.subarray(0, 1));
    const first = md5(password, Buffer.from(`$${magic}$`), salt, inner, ...bits);
    return stir('md5', first, { password, salt }, rounds);
  },
});
