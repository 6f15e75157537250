/**
 * Does this node belong to the nodes that there are? A secret that fits none of them fits no gateway either, and a
 * node that only looks ready lets a rollout take out the next one that works.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createReadEntries } from '../shared/node-registry.js';
import { openEntry } from '../shared/protocol.js';
import type { RedisClient } from '../shared/redis.js';
import { patiently } from '../shared/redis-calls.js';

/** Entries of nodes that have ended are gone by then; launchers wait for a start a little longer. */
const patienceMs = 8000;
const everyMs = 250;

const wrongSecret = (count: number): string =>
  `NODE_SECRET fits none of the ${count} nodes in the registry: start this node with the one that they have, or ` +
  'stop them first (while it changes, all have "current,previous")';

/**
 * Resolves when there are no other nodes, or one of them signs with one of these secrets. Throws an Error that
 * says what to do when that is not so for 8 s, and store_unavailable.
 */
export const meetPeers = async ({
  redis,
  secrets,
}: {
  redis: RedisClient;
  secrets: readonly string[];
}): Promise<void> => {
  const read = createReadEntries(redis);
  const deadlineAt = performance.now() + patienceMs;
  for (;;) {
    const entries = await patiently(read);
    if (entries.length === 0) return;
    if (entries.some(({ text }) => openEntry(secrets, text) !== undefined)) return;
    if (performance.now() >= deadlineAt) throw new Error(wrongSecret(entries.length));
    await sleep(everyMs);
  }
};
