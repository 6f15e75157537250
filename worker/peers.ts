/**
 * Does this node belong to the nodes that there are? A secret that fits none of them fits no gateway either, a node
 * with another user store denies everybody, and one that only looks ready lets a rollout take out the next one
 * that works.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createReadEntries, type LiveEntry } from '../shared/node-registry.js';
import { type NodeEntry, openEntry } from '../shared/protocol.js';
import type { RedisClient } from '../shared/redis.js';
import { patiently } from '../shared/redis-calls.js';

/** Entries of nodes that have ended are gone by then; launchers wait for a start a little longer. */
const patienceMs = 8000;
const everyMs = 250;

const wrongSecret = (count: number): string =>
  `NODE_SECRET fits none of the ${count} nodes in the registry: start this node with the one that they have, or ` +
  'stop them first (while it changes, all have "current,previous")';

const otherStore = (others: readonly NodeEntry[]): string => {
  const ids = others.map(({ id }) => id).sort();
  const some = ids.slice(0, 3);
  const names = [...some, ...(ids.length > some.length ? ['…'] : [])].join(', ');
  return (
    `CREDENTIALS_URL and the settings that go with it differ from those of ${ids.length} nodes in the registry ` +
    `(${names}): start this node with the ones that they have, or stop them first (no node works with another ` +
    'user store beside them)'
  );
};

/** Why a node with these settings is none of those; undefined when it is, or when there are none. */
const findProblem = (
  entries: readonly LiveEntry[],
  { secrets, store }: { secrets: readonly string[]; store: string },
): string | undefined => {
  const peers = entries.flatMap(({ text }) => openEntry(secrets, text) ?? []);
  if (entries.length > 0 && peers.length === 0) return wrongSecret(entries.length);
  const others = peers.filter((peer) => peer.store !== undefined && peer.store !== store);
  return others.length > 0 ? otherStore(others) : undefined;
};

/**
 * Resolves when there are no other nodes, or one of them signs with one of these secrets and none that does says
 * that it has another user store. Throws an Error that says what to do when that is not so for `waitMs`, and
 * store_unavailable.
 */
export const meetPeers = async ({
  redis,
  secrets,
  store,
  waitMs = patienceMs,
}: {
  redis: RedisClient;
  secrets: readonly string[];
  /** As `fingerprintStore` says. */
  store: string;
  waitMs?: number;
}): Promise<void> => {
  const read = createReadEntries(redis);
  const deadlineAt = performance.now() + waitMs;
  for (;;) {
    const problem = findProblem(await patiently(read), { secrets, store });
    if (problem === undefined) return;
    if (performance.now() >= deadlineAt) throw new Error(problem);
    await sleep(everyMs);
  }
};
