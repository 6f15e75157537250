/**
 * Tells the edges once a second that this node exists: a signed entry (where, how many slots,
 * draining or not), and takes out of the registry whoever has been silent for 3 s. A lost Redis is no reason to stop: it keeps trying,
 * and edges keep their last membership.
 */
import { entryTtlMs, registryKeys } from '../shared/node-registry.js';
import { type Endpoint, type NodeEntry, signEntry } from '../shared/protocol.js';
import type { RedisClient } from '../shared/redis.js';
import { defineScript, nowLua, patiently } from '../shared/redis-calls.js';

export type Heartbeat = ReturnType<typeof createHeartbeat>;
type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };

const everyMs = 1000;
/** A successor of ours has us drained long before. */
const twinBeats = 30;

/**
 * Forgets silent nodes, then enters or renews one. KEYS seen, entries. ARGV id, entry, ttl ms, boot id,
 * "enter", "renew" or "drain". Who enters takes the place of another boot of the same id; who renews that
 * of one that drains; who drains nobody's: it may do so beside its successor. Returns 1, or 0 when
 * another boot holds the place.
 */
const beatScript = {
  name: 'fgNodeBeat',
  lua: `
${nowLua}
local old = now - tonumber(ARGV[3])
local seen = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or old)
local held = seen > old and redis.call('HGET', KEYS[2], ARGV[1])
if held and ARGV[5] ~= 'enter' and not string.find(held, ARGV[4], 1, true) then
  local isLeaving = string.find(held, '"draining":true', 1, true)
  if ARGV[5] == 'drain' or not isLeaving then return 0 end
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
-- After what a full Redis refuses: else who cleans up could still write, and the others not.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', old, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return 1`,
};

/**
 * Takes a node out, unless a successor has entered under the same id. KEYS seen, entries.
 * ARGV id, entry. Returns 1 or 0.
 */
const leaveScript = {
  name: 'fgNodeLeave',
  lua: `
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1`,
};

export const createHeartbeat = (options: {
  redis: RedisClient;
  secret: string;
  entry: Omit<NodeEntry, 'draining' | 'endpoints'>;
  log: Logs;
}) => {
  const { redis, secret, log } = options;
  const { id, boot_id: bootId } = options.entry;
  const sendBeat = defineScript(redis, beatScript);
  const sendLeave = defineScript(redis, leaveScript);
  let isDraining = false;
  let isLost = false;
  let isReplaced = false;
  /** Beats in a row in which another one was in our place, and nobody told us to leave. */
  let heldBeats = 0;
  let isClosed = false;
  let endpoints: Endpoint[] = [];
  let text = '';
  let timer: NodeJS.Timeout | undefined;

  const describe = () => {
    text = signEntry(secret, { ...options.entry, endpoints, draining: isDraining });
  };

  const send = (how: 'enter' | 'renew' | 'drain') =>
    sendBeat(registryKeys, [id, text, entryTtlMs, bootId, how]);

  /** Renews this node now; true when the registry has it or its successor. Never throws. */
  const beat = async (): Promise<boolean> => {
    // An empty registry, after Redis was away, is its successor's too.
    if (isDraining && isReplaced) return true;
    try {
      const isHeld = (await send(isDraining ? 'drain' : 'renew')) === 0;
      if (isHeld && !isReplaced) log.info({}, 'another process of this NODE_ID has entered');
      isReplaced = isHeld;
      heldBeats = isHeld && !isDraining ? heldBeats + 1 : 0;
      if (heldBeats === twinBeats)
        log.warn(
          { node: id, alarm: true },
          'another process of this NODE_ID gets all the logins: give each node a NODE_ID of its own',
        );
      if (isLost) log.info({}, 'node registry is back');
      isLost = false;
      return true;
    } catch (err) {
      if (!isLost) log.warn({ err }, 'node registry lost, trying on');
      isLost = true;
      return false;
    }
  };

  /** The first beat, tried for a while; says where the node is. Throws store_unavailable. */
  const enter = (where: Endpoint[]) => {
    endpoints = where;
    describe();
    return patiently(() => send('enter'));
  };

  const loop = async () => {
    await beat();
    if (!isClosed) timer = setTimeout(loop, everyMs);
  };

  /** What edges see from their next reading on; they choose a draining node for nothing new. */
  const setDraining = (value: boolean): Promise<boolean> => {
    isDraining = value;
    describe();
    return beat();
  };

  /** Ends the heartbeat and takes the node out. Never throws. */
  const leave = async (): Promise<void> => {
    isClosed = true;
    clearTimeout(timer);
    await sendLeave(registryKeys, [id, text]).catch((err: unknown) =>
      log.warn({ err }, 'could not leave the registry, the entry runs out'),
    );
  };

  return {
    enter,
    start: () => {
      timer = setTimeout(loop, everyMs);
    },
    setDraining,
    isDraining: () => isDraining,
    leave,
  };
};
