/**
 * Until when a script may write. One that lies in the socket of a store that stands still would run long
 * after its caller was told that nothing is known, so it is given a time on the clock of its own server
 * (each master of a Cluster has one), as it is known from replies. That is never too early by the way that
 * a request takes, and as much too late as the last one took.
 */
import type { RedisClient, RedisNode } from '../shared/redis.js';
import { nodeOf } from '../shared/redis-nodes.js';

/** As long as whoever sends it waits for the answer. */
const waitMs = 250;

/** `now` in ms, of a clock that does not jump. */
export const createRedisClock = (
  redis: RedisClient,
  { now = () => performance.now() }: { now?: () => number } = {},
) => {
  /** At most so far is the clock of a server ahead of ours. */
  const aheadMs = new WeakMap<RedisNode, number>();
  /** Of the server that answered last: for one that has not, this is likelier than nothing. */
  let latestMs: number | undefined;

  return {
    /**
     * For a script on `key` that leaves now. `until` is '' while nothing is known. `learn` takes what the
     * server's clock showed when the script ran.
     */
    start: (key: string): { until: number | ''; learn: (serverMs: number) => void } => {
      const sentAt = now();
      const node = nodeOf(redis, key);
      const ahead = (node && aheadMs.get(node)) ?? latestMs;
      return {
        until: ahead === undefined ? '' : Math.ceil(sentAt + ahead + waitMs),
        learn: (serverMs) => {
          if (!Number.isFinite(serverMs)) return;
          latestMs = serverMs - sentAt;
          // Asked again: a Cluster may have sent it elsewhere.
          const answered = nodeOf(redis, key);
          if (answered !== undefined) aheadMs.set(answered, latestMs);
        },
      };
    },
  };
};
