/**
 * Sessions in the store against answers that clients got: each 200 is one session of that account, and there
 * is no other. An answer names its request, the audit names the account of each request.
 */
import type { Redis } from '../redis.js';
import type { Sample } from './generator.js';
import { isServed } from './samples.js';

export type Counts = ReadonlyMap<string, number>;
export type Balance = {
  answers: number;
  /** Answers without a session, sessions without an answer; summed over the accounts. */
  missing: number;
  extra: number;
  /** Answers that the audit does not know. */
  unaudited: number;
};

const countLua = `
local found = {}
for _, key in ipairs(redis.call('KEYS', 'idx:*')) do found[key] = redis.call('ZCARD', key) end
return cjson.encode(found)`;

/** By account, as the audit names it. */
export const countSessions = async (redis: Redis): Promise<Counts> => {
  const found: Record<string, number> = JSON.parse(await redis.ask(['EVAL', countLua, '0']));
  return new Map(
    Object.entries(found).map(([key, count]) => [/\{(.*)\}/.exec(key)?.[1] ?? key, count]),
  );
};

/** `accounts`: by request id. */
export const balance = (
  samples: readonly Sample[],
  accounts: ReadonlyMap<unknown, unknown>,
  { before, after }: { before: Counts; after: Counts },
): Balance => {
  const answers = new Map<string, number>();
  const served = samples.filter((sample) => isServed(sample));
  let unaudited = 0;
  for (const { id } of served) {
    const account = accounts.get(id);
    if (typeof account === 'string') answers.set(account, (answers.get(account) ?? 0) + 1);
    else unaudited++;
  }
  const all = [...new Set([...answers.keys(), ...after.keys()])];
  const tooMany = all.map(
    (u) => (after.get(u) ?? 0) - (before.get(u) ?? 0) - (answers.get(u) ?? 0),
  );
  return {
    answers: served.length,
    missing: tooMany.reduce((sum, count) => sum + Math.max(0, -count), 0),
    extra: tooMany.reduce((sum, count) => sum + Math.max(0, count), 0),
    unaudited,
  };
};
