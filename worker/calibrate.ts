/**
 * A program of its own, started by `floodgate calibrate`: measures argon2id on this machine in the
 * threads that a node would have, and writes what it finds as lines of JSON. Its one argument is JSON
 * too: { targetMs, threads, memoryMiB?, forMs }. Needs no store and keeps nothing.
 */
import { randomBytes } from 'node:crypto';
import { budgetShares, burstBudgetMs, sustainedBudgetMs } from '../shared/budgets.js';
import { memoryBytes } from '../shared/machine.js';
import { type Measured, recommend, search } from './passwords/calibration.js';
import type { Target } from './passwords/formats/format.js';
import { createPolicy } from './passwords/policy.js';
import { createStopwatch } from './passwords/stopwatch.js';
import { createThreads, type Threads } from './passwords/threads.js';
import type { Work } from './passwords/work.js';

type Options = { targetMs: number; threads: number; memoryMiB: number; forMs: number };

const mibBytes = 1024 * 1024;
const minMemoryMiB = 256;
/** Of one set of parameters; `fewest` wins when a hash is slow. */
const together = { forMs: 900, fewest: 3 };
const alone = { forMs: 300, fewest: 3 };

/** What a node reserves for hashes, too. */
const defaultMemoryMiB = () => Math.max(minMemoryMiB, Math.floor(memoryBytes() / 4 / mibBytes));

const isPositive = (value: unknown): value is number => typeof value === 'number' && value > 0;

const readOptions = (text: string): Options => {
  const { targetMs, threads, memoryMiB, forMs } = JSON.parse(text);
  if (!isPositive(targetMs) || !isPositive(threads) || !isPositive(forMs))
    throw new Error('targetMs, threads and forMs must be numbers above 0');
  const memory = isPositive(memoryMiB) ? memoryMiB : defaultMemoryMiB();
  return { targetMs, threads, memoryMiB: memory, forMs };
};

const say = (event: string, fields: object) =>
  void process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

const complain = (_: object, text: string) => void process.stderr.write(`${text}\n`);

/** Nobody chooses a password here. */
const blocklist = { has: () => false };

const hashWork = (password: string, target: Target): Work =>
  createPolicy({ target, blocklist }).hashWork(password);

const describe = ({ target, aloneMs, togetherMs, perSecond }: Measured, threads: number) => ({
  memory_kib: target.memoryKiB,
  passes: target.passes,
  lanes: target.lanes,
  alone_ms: aloneMs,
  together_ms: togetherMs,
  per_second: perSecond,
  memory_bytes: target.memoryKiB * 1024 * threads,
  burst_budget_ms: budgetShares.login * burstBudgetMs(togetherMs),
  sustained_budget_ms: budgetShares.login * sustainedBudgetMs(togetherMs),
});

const calibrate = async (options: Options, threads: Threads) => {
  const { targetMs, threads: count, memoryMiB, forMs } = options;
  const startedAt = performance.now();
  const password = randomBytes(18).toString('base64url');
  say('started', { threads: count, memory_mib: memoryMiB });
  const time = createStopwatch({ send: threads.send });

  const measure = async (target: Target): Promise<Measured> => {
    const work = hashWork(password, target);
    const { medianMs: aloneMs } = await time(1, work, alone);
    const { medianMs: togetherMs, perSecond } = await time(count, work, together);
    const measured = { target, aloneMs, togetherMs, perSecond };
    say('measured', describe(measured, count));
    return measured;
  };

  await threads.warm(['ping']);
  const measured = await search({
    targetMs,
    maxMemoryKiB: Math.floor((memoryMiB * 1024) / count),
    measure,
    hasTime: () => performance.now() - startedAt < forMs,
  });
  const chosen = recommend(measured, targetMs);
  if (chosen === undefined) throw new Error('nothing could be measured');
  const [hash] = await threads.warm(hashWork(password, chosen.target));
  say('done', {
    candidates: measured.map((one) => describe(one, count)),
    recommended: measured.indexOf(chosen),
    ...{ password, hash },
  });
};

const run = async () => {
  const options = readOptions(process.argv[2] ?? '{}');
  const log = { warn: complain, error: complain };
  const threads = createThreads({ count: options.threads, log });
  try {
    await calibrate(options, threads);
  } finally {
    await threads.stop();
  }
};

try {
  await run();
} catch (error) {
  const text = error instanceof Error ? error.message : 'unknown error';
  process.stderr.write(`floodgate calibrate: ${text}\n`);
  process.exitCode = 1;
}
