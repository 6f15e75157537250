/**
 * Users are migrated by logging in, while nodes and lock servers fail and some of the users change
 * their passwords at that very moment. When the weather is over, those that are left log in until
 * nobody is, and then it is asked whether it was exactly once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { type Pauses, startFaults } from './migration-faults.js';
import {
  type Changed,
  type Crowd,
  createCrowd,
  type Login,
  raceChange,
  settleChanges,
} from './migration-load.js';
import type { Rig } from './migration-rig.js';
import { judgePasswords, judgeRecords } from './migration-verdict.js';

type Ask = () => boolean;
export type Load = (crowd: Crowd, isOver: Ask, isCalm: Ask) => Promise<Login[]>;
type Plan = {
  load: Load;
  /** Every so many users one changes the password. */
  racersEvery: number;
  pauses: Pauses;
  /** How long things fail at most; less when all are migrated. */
  stormMs: number;
  calmMs: number;
  /** How many clients ask for every password at the end. */
  judges: number;
  say?: (text: string) => void;
};

export const runStorm = async (t: Test, rig: Rig, plan: Plan) => {
  const { client, users, readRecords } = rig;
  const { say = () => {} } = plan;
  const changed: Changed = new Map();
  const crowd = createCrowd(users, changed);
  const found: string[] = [];
  const racers = users.filter(({ at }) => at % plan.racersEvery === 0);
  for (const user of racers) crowd.reserve(user);

  let isOver = false;
  let isCalm = false;
  t.teardown(() => {
    isOver = true;
    isCalm = true;
  });
  const faults = startFaults(t, rig.fleet, rig.locks, plan.pauses);
  const running = plan.load(
    crowd,
    () => isOver,
    () => isCalm,
  );
  const queue = racers.values();
  const race = async () => {
    for (const user of queue) {
      if (isCalm) return;
      found.push(...(await raceChange(client, user, changed)));
    }
  };
  const racing = Promise.all([race(), race()]);

  /** Until only `left` users are to be migrated, at most `ms`. */
  const wait = async (ms: number, left: number) => {
    const end = performance.now() + ms;
    for (let turn = 0; performance.now() < end; turn++) {
      await sleep(250);
      if (turn % 4 === 0) crowd.refresh(await readRecords());
      if (turn % 40 === 0) say(`${crowd.pending()} to be migrated, ${changed.size} changed`);
      if (crowd.pending() <= left) return;
    }
  };
  await wait(plan.stormMs, racers.length / 2);
  isCalm = true;
  await faults.stop();
  await racing;
  say('everything lives again');
  await settleChanges(client, changed);
  for (const user of racers) crowd.release(user);
  await wait(plan.calmMs, 0);
  isOver = true;
  const logins = await running;
  const lockedOut = logins.filter(({ status }) => status === 401).map(({ user }) => user.name);
  say('every password is asked for');
  found.push(...(await judgePasswords({ client, users, changed }, plan.judges)));
  const { faults: inRecords, counts } = judgeRecords(users, await readRecords(), changed);
  return { logins, faults: faults.counts, counts, lockedOut, found: [...found, ...inRecords] };
};
