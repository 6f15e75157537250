/**
 * What this machine, or our control group, lets us use; as shared/machine.ts does it, which is there
 * only after the build. Node 20 knows no CPU quota, and of memory only the limit of our own group.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';

const places = { root: '/sys/fs/cgroup', self: '/proc/self/cgroup' };

/** @param {string[]} parts */
const read = (...parts) => {
  try {
    return readFileSync(join(...parts), 'utf8').trim();
  } catch {
    return '';
  }
};

/**
 * The directory of our group and those of all above it. `controller` is '' for version 2.
 * @param {string} base @param {string} controller @param {string} self
 */
const groupsOf = (base, controller, self) => {
  const lines = read(self)
    .split('\n')
    .map((line) => line.split(':'));
  const [, , ...path] = lines.find(([, names]) => names?.split(',').includes(controller)) ?? [];
  const parts = path.join(':').split('/').filter(Boolean);
  return [base, ...parts.map((_, i) => join(base, ...parts.slice(0, i + 1)))];
};

/** CPU quota in cores, or Infinity. */
const cpuQuota = ({ root, self } = places) => {
  const version2 = groupsOf(root, '', self).map((group) => read(group, 'cpu.max').split(' '));
  const version1 = groupsOf(join(root, 'cpu'), 'cpu', self).map((group) => [
    read(group, 'cpu.cfs_quota_us'), // -1 = none
    read(group, 'cpu.cfs_period_us'),
  ]);
  const quotas = [...version2, ...version1].map(
    ([quota, period]) => Number(quota) / Number(period),
  );
  return Math.min(...quotas.filter((quota) => quota > 0), Number.POSITIVE_INFINITY);
};

/** Cores we may keep busy, at least 1. */
export const countCpus = (where = places) =>
  Math.max(1, Math.min(os.availableParallelism(), Math.ceil(cpuQuota(where))));

/** Bytes of memory we may fill. */
export const memoryBytes = ({ root, self } = places) => {
  const version2 = groupsOf(root, '', self).map((group) => read(group, 'memory.max'));
  const version1 = groupsOf(join(root, 'memory'), 'memory', self).map((group) =>
    read(group, 'memory.limit_in_bytes'),
  );
  const limits = [...version2, ...version1].map(Number).filter((limit) => limit > 0);
  return Math.min(os.totalmem(), ...limits);
};
