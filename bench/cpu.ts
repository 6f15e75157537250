/**
 * Where CPU time goes and where it may run, from Linux's /proc: time per process, hash threads told
 * apart by their nice value, threads pinned to cores. Processes that the bench did not start are
 * never touched.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Hash threads of the product run at this nice value; nothing else does. */
const hashNice = 19;
/** Threads beside the main one of a load generator. */
const niceOfHelpers = 5;

export type Thread = { tid: number; nice: number };
/** CPU milliseconds since start. */
type CpuTime = { hashMs: number; otherMs: number };

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Ended meanwhile.
    return '';
  }
};

const list = (path: string): number[] => {
  try {
    return readdirSync(path).map(Number);
  } catch {
    return [];
  }
};

/** Fields of a stat line after the name, which may itself hold spaces: [0] is the state. */
const statFields = (path: string): string[] => {
  const text = readText(path);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
};

const threadsOf = (pid: number): Thread[] =>
  list(`/proc/${pid}/task`).map((tid) => ({
    tid,
    nice: Number(statFields(`/proc/${pid}/task/${tid}/stat`)[16] ?? 0),
  }));

/** Nanoseconds on a core, exact where the kernel keeps them, else in clock ticks of 10 ms. */
const threadMs = (pid: number, tid: number): number => {
  const ns = Number(readText(`/proc/${pid}/task/${tid}/schedstat`).split(' ')[0] ?? 0);
  if (ns > 0) return ns / 1e6;
  const fields = statFields(`/proc/${pid}/task/${tid}/stat`);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
};

/** CPU milliseconds of this process, and of all that it and its children have started and seen end. */
export const spentMs = (): number => {
  const ticks = statFields('/proc/self/stat').slice(11, 15).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * 10;
};

export const cpuTime = (pid: number): CpuTime => {
  const time = { hashMs: 0, otherMs: 0 };
  for (const { tid, nice } of threadsOf(pid))
    time[nice === hashNice ? 'hashMs' : 'otherMs'] += threadMs(pid, tid);
  return time;
};

/** CPU milliseconds of these processes, all together. */
export const usedMs = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const { hashMs, otherMs } = cpuTime(pid);
    return sum + hashMs + otherMs;
  }, 0);

export const childrenOf = (pid: number): number[] =>
  list(`/proc/${pid}/task`).flatMap((tid) =>
    readText(`/proc/${pid}/task/${tid}/children`).split(' ').filter(Boolean).map(Number),
  );

/** Is `word` in the command line (process titles show up there)? */
export const hasTitle = (pid: number, word: string): boolean =>
  readText(`/proc/${pid}/cmdline`).includes(word);

const pinThread = (tid: number, cores: string) => {
  try {
    execFileSync('taskset', ['-pc', cores, String(tid)], { stdio: 'ignore' });
  } catch {
    // A helper thread that ended meanwhile.
  }
};

/** So that a load generator's compilations do not pass for the latency of what shares its core. */
export const lowerHelpers = (pid: number) => {
  for (const { tid, nice } of threadsOf(pid))
    if (tid !== pid && nice === 0) setPriority(tid, niceOfHelpers);
};

export type Layout = 'shared' | 'isolated';

/** Isolated: hash threads on core 1, all else on core 0. Shared: everything on both. */
export const place = (pids: readonly number[], layout: Layout) => {
  for (const pid of pids)
    for (const { tid, nice } of threadsOf(pid))
      pinThread(tid, layout === 'shared' ? '0-1' : nice === hashNice ? '1' : '0');
};

/** All threads of a process on the given cores. */
export const pin = (pid: number, cores: string) => {
  for (const { tid } of threadsOf(pid)) pinThread(tid, cores);
};
