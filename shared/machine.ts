/**
 * How many processors and how much memory this process may use: the machine's, or less when a
 * control group says so. Node 20 looks at neither quota.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
};

const positive = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value > 0 ? value : undefined;
};

/** Files of cgroup v2, then v1, as seen inside a container or unit. */
const cpuQuota = (root: string): number | undefined => {
  const [quota, period] = read(`${root}/cpu.max`)?.split(' ') ?? [
    read(`${root}/cpu/cpu.cfs_quota_us`),
    read(`${root}/cpu/cpu.cfs_period_us`),
  ];
  const [used, of] = [positive(quota), positive(period)];
  return used === undefined || of === undefined ? undefined : used / of;
};

/** At least 1. */
export const countCpus = (root = '/sys/fs/cgroup'): number =>
  Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(root) ?? Infinity)));

export const memoryBytes = (root = '/sys/fs/cgroup'): number => {
  const limit =
    positive(read(`${root}/memory.max`)) ?? positive(read(`${root}/memory/memory.limit_in_bytes`));
  return Math.min(totalmem(), limit ?? Number.POSITIVE_INFINITY);
};
