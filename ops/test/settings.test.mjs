/** What the launcher works out for the programs that it starts. */
import t from 'tap';
import { readSettings } from '../settings.mjs';

const GiB = 1024 ** 3;

t.test('hash threads: the cores among the nodes, as far as the memory goes', async (t) => {
  const cases = [
    { cpus: 2, memory: 16 * GiB, env: {}, expected: '1' },
    { cpus: 8, memory: 16 * GiB, env: {}, expected: '4' },
    { cpus: 8, memory: 16 * GiB, env: { NODES: '3' }, expected: '2' },
    { cpus: 64, memory: GiB, env: { NODES: '1' }, expected: '26' },
    { cpus: 64, memory: GiB, env: {}, expected: '13' },
    { cpus: 64, memory: GiB, env: { ARGON2_MEMORY_KIB: '65536' }, expected: '4' },
    { cpus: 64, memory: GiB, env: { ARGON2_MEMORY_KIB: 'lots' }, expected: '13' },
    { cpus: 1, memory: GiB / 64, env: { NODES: '4' }, expected: '1' },
    { cpus: 64, memory: GiB, env: { HASH_THREADS: '40' }, expected: '40' },
  ];
  for (const { cpus, memory, env, expected } of cases)
    t.equal(readSettings(env, { cpus, memory }).hashThreads, expected, JSON.stringify(env));
});
