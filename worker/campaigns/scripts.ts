/**
 * The scripts over a campaign's state, all of it under `campaign:{wrap}:*`, without a TTL. There is one
 * campaign at a time. It walks over all records twice: once to count, once to wrap. The walk is cut
 * into pages; a page is a list of records that were due when the walk passed them, with a lease of the
 * node that works on it. A lease that has run out is taken over by whoever asks next.
 *
 *   state   hash   id, status, paused, options, cursor of the walk, who walks and until when, marks
 *   counts  hash   what was seen and done, by outcome and format
 *   leases  zset   page → server ms · pages hash  page → its rows · owners hash  page → who
 *
 * Everything is decided by the server's clock. A lease only saves work: the compare-and-set on the
 * record decides, so two owners of one page cannot wrap anything twice.
 */
import { nowLua } from '../../shared/redis-calls.js';

/** In this order in every script. */
export const keys = ['state', 'counts', 'leases', 'pages', 'owners'].map(
  (name) => `campaign:{wrap}:${name}`,
);

/**
 * now · isActive · done(): records settled so far · mark(fresh): two marks of time and progress, 10 s or
 * more apart, from which the rate follows · settle(): the next status when nothing is left of this one.
 */
const prelude = `
local S, C, L, P, O = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
${nowLua}
local function get(name) return redis.call('HGET', S, name) or '' end
local function count(name) return tonumber(redis.call('HGET', C, name) or '0') end
local function isActive() local s = get('status') return s == 'counting' or s == 'wrapping' end
local function done()
  if get('status') == 'counting' then return count('seen') end
  return count('wrapped') + count('changed') + count('failed')
end
local function mark(fresh)
  if fresh then
    redis.call('HSET', S, 'm0_at', now, 'm0', done(), 'm1_at', now, 'm1', done())
  elseif now - tonumber(get('m1_at')) >= 10000 then
    redis.call('HSET', S, 'm0_at', get('m1_at'), 'm0', get('m1'), 'm1_at', now, 'm1', done())
  end
end
local function finish(status) redis.call('HSET', S, 'status', status, 'ended_at', now) end
local function settle()
  if get('walked') ~= '1' or redis.call('ZCARD', L) > 0 then return end
  if get('status') == 'wrapping' then return finish('done') end
  if get('dry_run') == '1' or count('due') == 0 then return finish('done') end
  if count('due_e') > 0 and get('key') == '-' and get('force') ~= '1' then return finish('refused') end
  redis.call('HSET', S, 'status', 'wrapping', 'cursor', '', 'walked', '0')
  mark(true)
end
local function add(from)
  for i = from, #ARGV, 2 do redis.call('HINCRBY', C, ARGV[i], ARGV[i + 1]) end
end
`;

/**
 * Begins one unless one is under way; the same id finds its own beginning again. One that would write to
 * somebody else's table without being forced ends where it begins: its programs read no wrapped hash.
 * ARGV id, dry_run, key, force, share, table (1: the records are in such a table). Returns 1 or 0.
 */
export const startScript = {
  name: 'fgCampaignStart',
  lua: `${prelude}
if get('id') == ARGV[1] then return 1 end
if isActive() then return 0 end
redis.call('DEL', S, C, L, P, O)
redis.call('HSET', S, 'id', ARGV[1], 'status', 'counting', 'paused', '0', 'dry_run', ARGV[2],
  'key', ARGV[3], 'force', ARGV[4], 'share', ARGV[5], 'table', ARGV[6], 'cursor', '', 'walked', '0',
  'page', '0', 'walker', '', 'walker_until', '0', 'started_at', now, 'ended_at', '')
mark(true)
if ARGV[6] == '1' and ARGV[2] == '0' and ARGV[4] == '0' then finish('refused') end
return 1`,
};

/** ARGV pause | resume | cancel | share N, each repeatable. Returns 1, or 0 when there is nothing to steer. */
export const steerScript = {
  name: 'fgCampaignSteer',
  lua: `${prelude}
if ARGV[1] == 'cancel' and get('status') == 'cancelled' then return 1 end
if not isActive() then return 0 end
if ARGV[1] == 'cancel' then
  finish('cancelled')
  redis.call('DEL', L, P, O)
elseif ARGV[1] == 'pause' then
  redis.call('HSET', S, 'paused', '1')
elseif ARGV[1] == 'share' then
  redis.call('HSET', S, 'share', ARGV[2])
else
  redis.call('HSET', S, 'paused', '0')
  mark(true)
end
return 1`,
};

/**
 * Something to do. ARGV owner, lease ms, what the owners of this boot begin with (it does one thing at a
 * time, so whoever asks has given up its earlier walk), then the key ids that the node has.
 * Returns {'idle'}, {'key', id} (it lacks the key), {'wait'}, or an assignment:
 * {'page' | 'walk', id, status, key, force, share, then page and rows, or the cursor}.
 */
export const takeScript = {
  name: 'fgCampaignTake',
  lua: `${prelude}
if not isActive() or get('paused') == '1' then return {'idle'} end
local key = get('key')
local has = key == '-'
for i = 4, #ARGV do has = has or ARGV[i] == key end
if not has then return {'key', key} end
local lease = now + tonumber(ARGV[2])
local late = redis.call('ZRANGEBYSCORE', L, '-inf', now, 'LIMIT', 0, 1)[1]
if late then
  redis.call('ZADD', L, lease, late)
  redis.call('HSET', O, late, ARGV[1])
  return {'page', get('id'), get('status'), key, get('force'), get('share'), late,
    redis.call('HGET', P, late)}
end
local isOwn = string.sub(get('walker'), 1, #ARGV[3]) == ARGV[3]
if get('walked') == '1' or (tonumber(get('walker_until')) > now and not isOwn) then
  return {'wait'}
end
redis.call('HSET', S, 'walker', ARGV[1], 'walker_until', lease)
return {'walk', get('id'), get('status'), key, get('force'), get('share'), get('cursor')}`,
};

/**
 * One step of the walk is done. ARGV owner, campaign, cursor before, cursor after, rows that are due ('' when
 * none are or nothing is to be wrapped), lease ms, then counts to add (name, n).
 * Returns the page that is now the owner's, '' without rows, or nil when somebody else has gone on.
 */
export const advanceScript = {
  name: 'fgCampaignAdvance',
  lua: `${prelude}
if get('id') ~= ARGV[2] or not isActive() or get('walker') ~= ARGV[1] or get('walked') == '1'
  or get('cursor') ~= ARGV[3] then return false end
add(7)
redis.call('HSET', S, 'cursor', ARGV[4], 'walker', '', 'walker_until', '0',
  'walked', ARGV[4] == '' and '1' or '0')
local page = ''
if ARGV[5] ~= '' then
  page = tostring(redis.call('HINCRBY', S, 'page', 1))
  redis.call('HSET', P, page, ARGV[5])
  redis.call('HSET', O, page, ARGV[1])
  redis.call('ZADD', L, now + tonumber(ARGV[6]), page)
end
mark(false)
settle()
return page`,
};

/**
 * What was done of a page, and that its owner goes on. ARGV owner, campaign, page, rows that are left ('' ends
 * the page), lease ms (0 gives it back), share in force, then counts to add (name, n).
 * Returns 1 to go on, 0 when the page is somebody else's, nobody is to work now, or the share is another.
 */
export const reportScript = {
  name: 'fgCampaignReport',
  lua: `${prelude}
if get('id') ~= ARGV[2] or redis.call('HGET', O, ARGV[3]) ~= ARGV[1] then return 0 end
add(7)
if ARGV[4] == '' then
  redis.call('ZREM', L, ARGV[3])
  redis.call('HDEL', P, ARGV[3])
  redis.call('HDEL', O, ARGV[3])
else
  redis.call('HSET', P, ARGV[3], ARGV[4])
  redis.call('ZADD', L, ARGV[5] == '0' and 0 or now + tonumber(ARGV[5]), ARGV[3])
end
mark(false)
settle()
return (get('paused') == '1' or get('share') ~= ARGV[6]) and 0 or 1`,
};

/** Everything that is to be shown. Returns {now, state, counts, owners of leases that hold}. */
export const showScript = {
  name: 'fgCampaignShow',
  lua: `${prelude}
local owners = {}
for _, page in ipairs(redis.call('ZRANGEBYSCORE', L, now, '+inf')) do
  owners[#owners + 1] = redis.call('HGET', O, page) or ''
end
return {tostring(now), redis.call('HGETALL', S), redis.call('HGETALL', C), owners}`,
};
