import t from 'tap';
import { createSchedule } from '../passwords/schedule.js';

/** The rule said directly: every job to whoever is free soonest. */
const direct = (leftMs: readonly number[], jobs: readonly number[]): number => {
  const free = [...leftMs];
  for (const ms of jobs) {
    const soonest = free.indexOf(Math.min(...free));
    free[soonest] = (free[soonest] ?? 0) + ms;
  }
  return Math.min(...free);
};

/** Repeatable "random" numbers. */
const numbers = (count: number, seed: number): number[] => {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % 100;
  });
};

t.test('the start of the last job is that of list scheduling', async (t) => {
  for (let seed = 1; seed <= 300; seed++) {
    const leftMs = numbers(1 + (seed % 17), seed);
    const jobs = numbers(seed % 40, seed + 1000);
    const schedule = createSchedule(leftMs);
    for (const ms of jobs) schedule.add(ms);
    t.equal(schedule.startsIn(), direct(leftMs, jobs), `seed ${seed}`);
  }
});

t.test('one long job holds up one thread', async (t) => {
  const schedule = createSchedule([0, 0, 0, 0]);
  schedule.add(1500);
  for (let i = 0; i < 3; i++) schedule.add(10);
  t.equal(schedule.startsIn(), 10);
});
