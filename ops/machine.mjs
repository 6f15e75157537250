/**
 * What this machine, or the container we are in, lets us use. Node 20 reports the host's cores, not
 * a container's CPU quota, so the quota is read from the cgroup files; memory likewise.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** @param {string} path */
const read = (path) => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
};

/** CPU quota in cores, or Infinity. */
const cpuQuota = () => {
  const [quota, period] = read('/sys/fs/cgroup/cpu.max').split(' ').map(Number); // cgroup 2
  if (quota && period) return quota / period;
  const quota1 = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us')); // cgroup 1, -1 = none
  const period1 = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_period_us'));
  return quota1 > 0 && period1 > 0 ? quota1 / period1 : Number.POSITIVE_INFINITY;
};

/** Cores we may keep busy, at least 1. */
export const countCpus = () =>
  Math.max(1, Math.min(os.availableParallelism(), Math.ceil(cpuQuota())));

/** Bytes of memory we may fill. */
export const memoryBytes = () => {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
};
