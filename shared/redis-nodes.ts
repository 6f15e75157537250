/** Which servers a client speaks to, and which of them answers for a key: a Cluster's map, as it is known. */
import type { RedisClient, RedisNode } from './redis.js';
import { slotOf } from './redis-slot.js';

type ClusterClient = Extract<RedisClient, { slots: unknown }>;

const isCluster = (client: RedisClient): client is ClusterClient => 'slots' in client;

/** The server that answers for `key` at this moment; undefined when none is known. */
export const nodeOf = (client: RedisClient, key: string): RedisNode | undefined => {
  if (!isCluster(client)) return client;
  const address = client.slots[slotOf(key)]?.[0];
  return address === undefined ? undefined : nodeAt(client, address);
};

/** A known server of a Cluster by its host:port. */
export const nodeAt = (client: RedisClient, address: string): RedisNode | undefined =>
  isCluster(client)
    ? client.nodes().find(({ options }) => `${options.host}:${options.port}` === address)
    : undefined;

/** Every server that may be asked for `role`. */
export const nodesOf = (client: RedisClient, role: 'master' | 'slave'): RedisNode[] => {
  if (isCluster(client)) return client.nodes(role);
  return role === 'master' ? [client] : [];
};

/** Which server answers for which slot, as text; empty where one server has everything. */
export const mapOf = (client: RedisClient): string =>
  isCluster(client) ? client.slots.map(([master]) => master).join() : '';

/** Reads a Cluster's map again. Never rejects. */
export const refreshNodes = (client: RedisClient): Promise<void> =>
  new Promise((resolve) => {
    if (isCluster(client)) client.refreshSlotsCache(() => resolve());
    else resolve();
  });
