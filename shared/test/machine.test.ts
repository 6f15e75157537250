/** Quotas of control groups, as a container, a systemd unit and an older kernel show them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { countCpus, memoryBytes } from '../machine.js';

type Places = { root: string; self: string };
const opsUrl = new URL('../../ops/machine.mjs', import.meta.url).href;
type Machine = { countCpus(where: Places): number; memoryBytes(where: Places): number };
const ops: Machine = await import(opsUrl);

/** `self`: lines of /proc/self/cgroup; files below /sys/fs/cgroup with their content. */
const place = (t: Test, self: readonly string[], files: Readonly<Record<string, string>>) => {
  const root = mkdtempSync(join(tmpdir(), 'fg-cgroup-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  const where = { root, self: join(root, 'self') };
  writeFileSync(where.self, `${self.join('\n')}\n`);
  return where;
};

const all = availableParallelism();
const inner = '0::/system.slice/floodgate.service';
const cases: {
  name: string;
  self: string[];
  files: Record<string, string>;
  cpus: number;
  memory?: number;
}[] = [
  { name: 'no groups', self: [], files: {}, cpus: all },
  {
    name: 'a container',
    self: ['0::/'],
    files: { 'cpu.max': '50000 100000', 'memory.max': '268435456' },
    cpus: 1,
    memory: 268_435_456,
  },
  {
    name: 'one and a half',
    self: ['0::/'],
    files: { 'cpu.max': '150000 100000' },
    cpus: Math.min(all, 2),
  },
  {
    name: 'a container without limits',
    self: ['0::/'],
    files: { 'cpu.max': 'max 100000', 'memory.max': 'max' },
    cpus: all,
  },
  {
    name: 'a unit',
    self: [inner],
    files: {
      'system.slice/cpu.max': 'max 100000',
      'system.slice/floodgate.service/cpu.max': '100000 100000',
      'system.slice/floodgate.service/memory.max': '1000000',
    },
    cpus: 1,
    memory: 1_000_000,
  },
  {
    name: 'the slice above a unit',
    self: [inner],
    files: {
      'system.slice/cpu.max': '90000 100000',
      'system.slice/memory.max': '2000000',
      'system.slice/floodgate.service/cpu.max': `${all + 1}00000 100000`,
      'system.slice/floodgate.service/memory.max': '3000000',
    },
    cpus: 1,
    memory: 2_000_000,
  },
  {
    name: 'version 1',
    self: ['5:memory:/a', '4:cpu,cpuacct:/a/b:c', '0::/'],
    files: {
      'cpu/cpu.cfs_quota_us': '-1',
      'cpu/cpu.cfs_period_us': '100000',
      'cpu/a/b:c/cpu.cfs_quota_us': '20000',
      'cpu/a/b:c/cpu.cfs_period_us': '100000',
      'memory/memory.limit_in_bytes': '9223372036854771712',
      'memory/a/memory.limit_in_bytes': '4000000',
    },
    cpus: 1,
    memory: 4_000_000,
  },
  {
    name: 'version 1 in a container that does not see its path',
    self: ['4:cpu,cpuacct:/docker/1234'],
    files: { 'cpu/cpu.cfs_quota_us': '30000', 'cpu/cpu.cfs_period_us': '100000' },
    cpus: 1,
  },
];

for (const { name, self, files, cpus, memory = totalmem() } of cases)
  t.test(name, async (t) => {
    const where = place(t, self, files);
    t.equal(countCpus(where), cpus);
    t.equal(ops.countCpus(where), cpus, 'the launcher says the same');
    t.equal(memoryBytes(where), memory);
    t.equal(ops.memoryBytes(where), memory, 'the launcher says the same');
  });
