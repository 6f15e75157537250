/** What is in the store: how many records of which kind and version, and how many ids are claimed. */
import type { Redis } from '../redis.js';

/** Records by version and first word of the hash: `2 $wrap1`. */
export type Records = { byKind: Record<string, number>; total: number; ids: number };

/** One page. KEYS none. ARGV cursor. Returns the next cursor, a space, and counts as JSON. */
const script = `
local page = redis.call('SCAN', ARGV[1], 'COUNT', 5000)
local out = {}
local function add(name) out[name] = (out[name] or 0) + 1 end
for _, key in ipairs(page[2]) do
  if string.sub(key, 1, 4) == 'uid:' then add('uid')
  elseif string.sub(key, 1, 5) == 'cred:' then
    local c = redis.call('HMGET', key, 'version', 'hash')
    add((c[1] or '?') .. ' ' .. string.match(c[2] or '', '^%$?[^$]*'))
  end
end
return page[1] .. ' ' .. (next(out) and cjson.encode(out) or '{}')`;

/** One page. KEYS none. ARGV cursor. Returns the next cursor, a space, and the names of wrapped records as JSON. */
const wrappedScript = `
local page = redis.call('SCAN', ARGV[1], 'COUNT', 5000)
local out = {}
for _, key in ipairs(page[2]) do
  if string.sub(key, 1, 5) == 'cred:' then
    local c = redis.call('HMGET', key, 'name', 'hash')
    if string.sub(c[2] or '', 1, 7) == '$wrap1$' then out[#out + 1] = c[1] end
  end
end
return page[1] .. ' ' .. (next(out) and cjson.encode(out) or '[]')`;

const isCounts = (value: unknown): value is Record<string, number> =>
  typeof value === 'object' && value !== null;

const readPages = async (redis: Redis, page: string): Promise<unknown[]> => {
  const pages: unknown[] = [];
  for (let cursor = ''; cursor !== '0'; ) {
    const text = await redis.ask(['EVAL', page, '0', cursor === '' ? '0' : cursor]);
    const space = text.indexOf(' ');
    cursor = text.slice(0, space);
    pages.push(JSON.parse(text.slice(space + 1)));
  }
  return pages;
};

/** Exact while nobody writes. */
export const readRecords = async (redis: Redis): Promise<Records> => {
  const byKind: Record<string, number> = {};
  for (const counts of await readPages(redis, script)) {
    if (!isCounts(counts)) throw new Error('the store answered something else');
    for (const [name, count] of Object.entries(counts)) byKind[name] = (byKind[name] ?? 0) + count;
  }
  const { uid = 0, ...records } = byKind;
  const total = Object.values(records).reduce((sum, count) => sum + count, 0);
  return { byKind: records, total, ids: uid };
};

/** The names of those whose record is wrapped. */
export const listWrapped = async (redis: Redis): Promise<Set<string>> =>
  new Set((await readPages(redis, wrappedScript)).flat().map(String));
