/**
 * How many processors and how much memory this process may use: the machine's, or less when a
 * control group says so (cgroups(7)). Node 20 looks at neither quota. Limits of the groups above ours
 * hold as well; a container sees its own group as the root, a systemd unit sees them all.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';

const places = { root: '/sys/fs/cgroup', self: '/proc/self/cgroup' };

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

/** Our group's path in a hierarchy of version 1, or with '' in that of version 2. */
const pathOf = (controller: string, self: string): string => {
  const lines = (read(self) ?? '').split('\n').map((line) => line.split(':'));
  const [, , ...path] = lines.find(([, names]) => names?.split(',').includes(controller)) ?? [];
  return path.join(':');
};

/** Its directory and those of all groups above it, down to `base`. */
const upwards = (base: string, path: string): string[] => {
  const parts = path.split('/').filter((part) => part !== '');
  return [base, ...parts.map((_, i) => join(base, ...parts.slice(0, i + 1)))];
};

/** Of version 2, then 1. */
const groupsOf = (controller: string, { root, self } = places) => ({
  unified: upwards(root, pathOf('', self)),
  own: upwards(join(root, controller), pathOf(controller, self)),
});

const least = (limits: readonly (number | undefined)[]): number =>
  Math.min(...limits.filter((limit) => limit !== undefined), Number.POSITIVE_INFINITY);

const quotaOf = (quota: string | undefined, period: string | undefined): number | undefined => {
  const [used, of] = [positive(quota), positive(period)];
  return used === undefined || of === undefined ? undefined : used / of;
};

const cpuQuota = (where = places): number => {
  const { unified, own } = groupsOf('cpu', where);
  return least([
    ...unified.map((group) => {
      const [quota, period] = read(join(group, 'cpu.max'))?.split(' ') ?? [];
      return quotaOf(quota, period);
    }),
    ...own.map((group) =>
      quotaOf(read(join(group, 'cpu.cfs_quota_us')), read(join(group, 'cpu.cfs_period_us'))),
    ),
  ]);
};

/** Processors, at least 1; a part of one counts as one. */
export const countCpus = (where = places): number =>
  Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(where))));

export const memoryBytes = (where = places): number => {
  const { unified, own } = groupsOf('memory', where);
  return least([
    totalmem(),
    ...unified.map((group) => positive(read(join(group, 'memory.max')))),
    ...own.map((group) => positive(read(join(group, 'memory.limit_in_bytes')))),
  ]);
};
