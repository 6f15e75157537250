/**
 * Was it exactly once? One migration write per record (none where a password change came first), every
 * hash at today's parameters, every current password right, no former one. Every user logs in.
 */
import type { Client, User } from './legacy-users.js';
import type { Changed } from './migration-load.js';
import { isCurrent, type Records, writesOf } from './migration-records.js';

/** What the records say: a list of faults, and how many were written how often. */
export const judgeRecords = (users: readonly User[], records: Records, changed: Changed) => {
  const faults: string[] = [];
  const counts = { migratedOnce: 0, changedFirst: 0, changedAfter: 0 };
  for (const user of users) {
    const record = records.get(user.id);
    if (record === undefined) {
      faults.push(`${user.name}: the record is gone`);
      continue;
    }
    const writes = writesOf(record);
    const isChanged = record.gen > 1;
    if (!isCurrent(record)) faults.push(`${user.name}: still ${record.hash.slice(0, 12)}`);
    if (isChanged !== changed.has(user)) faults.push(`${user.name}: generation ${record.gen}`);
    if (writes !== 1 && !(isChanged && writes === 0))
      faults.push(`${user.name}: ${writes} migration writes, version ${record.version}`);
    if (!isChanged) counts.migratedOnce++;
    else if (writes === 0) counts.changedFirst++;
    else counts.changedAfter++;
  }
  return { faults, counts };
};

const judgeUser = async (client: Client, user: User, isChanged: boolean): Promise<string[]> => {
  const isOldRight = await client.isRight(user, user.password);
  if (!isChanged) return isOldRight ? [] : [`${user.name}: the password does not work`];
  if (isOldRight) return [`${user.name}: the old password works`];
  return (await client.isRight(user, user.next)) ? [] : [`${user.name}: the new one does not`];
};

/** Every user's password, and of those who changed it both. `clients` at once. */
export const judgePasswords = async (
  given: { client: Client; users: readonly User[]; changed: Changed },
  clients: number,
): Promise<string[]> => {
  const faults: string[] = [];
  const queue = given.users.values();
  const work = async () => {
    for (const user of queue)
      faults.push(...(await judgeUser(given.client, user, given.changed.has(user))));
  };
  await Promise.all(Array.from({ length: clients }, work));
  return faults;
};
