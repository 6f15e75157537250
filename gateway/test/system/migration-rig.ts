/**
 * A Floodgate whose users come from another system: nodes, three lock servers of their own, the users
 * imported, and their records readable. `--postgres` (of the program) keeps the records there.
 */
import type { Test } from 'tap';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { startPostgres } from '../../../worker/test/postgres-server.js';
import { type Fleet, startFleet } from './fleet.js';
import { type Client, createClient, createUsers, importUsers, type User } from './legacy-users.js';
import { openRecords, type Records } from './migration-records.js';

export type Rig = {
  fleet: Fleet;
  locks: readonly TestRedis[];
  client: Client;
  users: readonly User[];
  readRecords: () => Promise<Records>;
};

export const startRig = async (
  t: Test,
  options: { nodes: number; edges: number; users: number; isPostgres?: boolean },
): Promise<Rig> => {
  const { nodes, edges } = options;
  const locks: TestRedis[] = [];
  for (let i = 0; i < 3; i++) locks.push(await startRedis(t));
  const postgres = options.isPostgres ? await startPostgres(t) : undefined;
  const fleet = await startFleet(t, {
    nodes,
    edges,
    env: {
      // One machine stands for many clients here.
      TRUSTED_PROXIES: '127.0.0.1',
      LOCK_REDIS_URLS: locks.map(({ url }) => url).join(),
      LOG_LEVEL: 'warn',
      ...(postgres && { CREDENTIALS_URL: postgres.url }),
    },
  });
  const client = createClient(fleet.port);
  t.teardown(client.close);
  const users = createUsers(options.users);
  await importUsers(fleet, users);
  const readRecords = await openRecords(t, fleet.redis.url, postgres);
  return { fleet, locks, client, users, readRecords };
};
