/**
 * Logins of legacy users while everything goes wrong. Those who are not migrated yet come first, but
 * nobody twice within two seconds (an account has a limit of its own). And users who change their
 * password at the very moment at which their first login migrates it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, User } from './legacy-users.js';
import { isCurrent, type Records } from './migration-records.js';

/** `at`: when it began, on the clock of `performance`. */
export type Login = { at: number; user: User; status: number; ms: number };
export const isServed = ({ status }: Login): boolean => status === 200;

/** unknown: no answer, so it may have happened or not. */
export type Changed = Map<User, 'changed' | 'unknown'>;
export type Crowd = ReturnType<typeof createCrowd>;

const restMs = 2000;

/** Who logs in next, and with which password. */
export const createCrowd = (users: readonly User[], changed: Changed) => {
  const lastAt = new Map<User, number>();
  const busy = new Set<User>();
  let pending = [...users];
  let turn = 0;

  const isFree = (user: User | undefined, now: number): user is User =>
    user !== undefined && !busy.has(user) && now - (lastAt.get(user) ?? -restMs) >= restMs;

  const next = (): User | undefined => {
    const now = performance.now();
    for (let tries = 0; tries < 40; tries++) {
      const isFromPending = tries < 20 && pending.length > 0;
      const user = isFromPending
        ? pending[turn++ % pending.length]
        : users[Math.floor(Math.random() * users.length)];
      if (!isFree(user, now)) continue;
      lastAt.set(user, now);
      return user;
    }
    return undefined;
  };

  return {
    next,
    passwordOf: (user: User) => (changed.has(user) ? user.next : user.password),
    pending: () => pending.length,
    /** Who is about to change the password does not log in beside. */
    reserve: (user: User) => void busy.add(user),
    release: (user: User) => void busy.delete(user),
    /** Forgets who is migrated. */
    refresh: (records: Records) => {
      pending = pending.filter((user) => {
        const record = records.get(user.id);
        return record === undefined || !isCurrent(record);
      });
      turn = 0;
    },
  };
};

const loginNext = async (client: Client, crowd: Crowd): Promise<Login | undefined> => {
  const at = performance.now();
  const user = crowd.next();
  if (user === undefined) return undefined;
  const { status, ms } = await client.login(user, crowd.passwordOf(user));
  return { at, user, status, ms };
};

/** Poisson arrivals at `rate()` per second until `isOver`; nobody waits for anybody. */
export const openLoop = async (
  given: { client: Client; crowd: Crowd; rate: () => number },
  isOver: () => boolean,
): Promise<Login[]> => {
  const logins: Promise<Login | undefined>[] = [];
  let at = performance.now();
  while (!isOver()) {
    at += (-Math.log(1 - Math.random()) * 1000) / given.rate();
    const wait = at - performance.now();
    if (wait > 1) await sleep(wait);
    logins.push(loginNext(given.client, given.crowd));
  }
  return (await Promise.all(logins)).filter((login) => login !== undefined);
};

/** As many `clients`, who wait for their answers and rest a little after each. */
export const closedLoop = async (
  given: { client: Client; crowd: Crowd; clients: number; pauseMs: number },
  isOver: () => boolean,
): Promise<Login[]> => {
  const { pauseMs } = given;
  const logins: Login[] = [];
  const run = async () => {
    while (!isOver()) {
      const login = await loginNext(given.client, given.crowd);
      if (login !== undefined) logins.push(login);
      await sleep(login?.status === 200 ? pauseMs : 5 * pauseMs);
    }
  };
  await Promise.all(Array.from({ length: given.clients }, run));
  return logins;
};

/**
 * One password change in a race with the migration that the login before it began, and with another
 * login. What is found wrong is told; a change without an answer stays unknown.
 */
export const raceChange = async (
  client: Client,
  user: User,
  changed: Changed,
): Promise<string[]> => {
  const { address, password, next } = user;
  let first = await client.login(user, password);
  for (let tries = 0; first.status >= 500 && tries < 5; tries++) {
    await sleep(200);
    first = await client.login(user, password);
  }
  if (first.status !== 200) return first.status === 401 ? [`${user.name}: 401 at first`] : [];
  const wish = { current_password: password, new_password: next };
  const token = String(first.body.access_token);
  changed.set(user, 'unknown');
  const [change] = await Promise.all([
    client.post('/v1/password', wish, address, token),
    client.login(user, password),
  ]);
  if (change.status !== 200) return change.status === 401 ? [`${user.name}: change 401`] : [];
  changed.set(user, 'changed');
  const faults: string[] = [];
  if (await client.isRight(user, password)) faults.push(`${user.name}: the old password works`);
  if (!(await client.isRight(user, next))) faults.push(`${user.name}: the new one does not`);
  return faults;
};

/** Once everything lives again: whether the changes without an answer have happened. */
export const settleChanges = async (client: Client, changed: Changed): Promise<void> => {
  for (const [user, state] of changed) {
    if (state === 'changed') continue;
    if (await client.isRight(user, user.next)) changed.set(user, 'changed');
    else changed.delete(user);
  }
};
