/**
 * The registry of nodes in Redis: `seen` (sorted set id → server ms) and `entries` (hash id → signed entry).
 * Heartbeats write them, edges read them, and a node looks at the others before it enters.
 */
import type { RedisClient } from './redis.js';
import { defineScript, nowLua } from './redis-calls.js';

export const registryKeys = ['{nodes}:seen', '{nodes}:entries'] as const;
/** Milliseconds after which a silent node counts as gone. */
export const entryTtlMs = 3000;

/** The live entries. KEYS seen, entries. ARGV lifetime in ms. Returns {id, entry, id, entry, …}. */
const readScript = {
  name: 'fgReadNodes',
  lua: `
${nowLua}
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf')) do
  local entry = redis.call('HGET', KEYS[2], id)
  if entry then
    out[#out + 1] = id
    out[#out + 1] = entry
  end
end
return out`,
};

const isTextArray = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

export type LiveEntry = { id: string; text: string };

/** Reads the live entries, whoever signed them. Rejects with store_unavailable. */
export const createReadEntries = (redis: RedisClient) => {
  const read = defineScript(redis, readScript);
  return async (): Promise<LiveEntry[]> => {
    const found = await read(registryKeys, [entryTtlMs]);
    const texts = isTextArray(found) ? found : [];
    return texts.flatMap((id, i) => (i % 2 === 0 ? [{ id, text: texts[i + 1] ?? '' }] : []));
  };
};
