/**
 * Who is who among processes. A pid alone is recycled, so an identity is pid + start time + boot id.
 * Every process we start leads a session and group of its own: the group is how its children (the
 * gateway's edges) are found and ended. Zombies count as gone, since a container's first process may
 * never reap them.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {{ pid: number, started: string, boot: string }} Identity */
/** @typedef {{ pid: number, group: number, state: string, started: string }} Row */

const isLinux = process.platform === 'linux';

const bootId = () => {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
};
const boot = bootId();

/**
 * proc(5): the second field is the name in brackets and may hold anything, so count from the last
 * bracket: state is field 3, group 5, start time 22.
 * @param {number} pid
 * @returns {Row | undefined}
 */
const readProc = (pid) => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state = '', started = ''] = [fields[0], fields[19]];
    return { pid, group: Number(fields[2]), state, started };
  } catch {
    return undefined;
  }
};

/** @returns {Row[]} */
const readPs = () =>
  execFileSync('ps', ['-axo', 'pid=,pgid=,stat=,lstart='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, group, state = '', started = '']) => {
      return { pid: Number(pid), group: Number(group), state, started };
    });

/** @param {Row | undefined} row */
const isLiving = (row) => row !== undefined && !/^[ZX]/.test(row.state);

/** @param {number} pid */
const find = (pid) => (isLinux ? readProc(pid) : readPs().find((row) => row.pid === pid));

const all = () =>
  isLinux
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map((name) => readProc(Number(name)))
    : readPs();

/** @param {number} pid @returns {Identity} */
export const identify = (pid) => ({ pid, started: find(pid)?.started ?? '', boot });

/** @param {Identity} identity */
export const isAlive = (identity) => {
  if (identity.boot !== boot || identity.started === '') return false;
  const row = find(identity.pid);
  return isLiving(row) && row?.started === identity.started;
};

/**
 * Whether the process or any of its group still lives. While members live the kernel gives its pid
 * to no one else, so a group without its leader is still ours; a leader with another start time
 * means that the pid has been recycled and the group is gone.
 * @param {Identity} identity
 */
export const isGroupAlive = (identity) => {
  // A process that was never started has no group; the one of number 0 would be our own.
  if (identity.boot !== boot || identity.started === '') return false;
  const leader = find(identity.pid);
  if (leader !== undefined && leader.started !== identity.started) return false;
  return all().some((row) => row?.group === identity.pid && isLiving(row));
};

/**
 * @param {Identity} identity
 * @param {NodeJS.Signals} signal
 */
export const signalProcess = (identity, signal) => {
  if (isAlive(identity)) trySignal(identity.pid, signal);
};

/** @param {Identity} identity */
export const killGroup = (identity) => {
  if (isGroupAlive(identity)) trySignal(-identity.pid, 'SIGKILL');
};

/**
 * @param {number} target
 * @param {NodeJS.Signals} signal
 */
const trySignal = (target, signal) => {
  try {
    process.kill(target, signal);
  } catch {
    // It ended between the look and the signal.
  }
};

/**
 * True once no process of the group lives, false when the time is up.
 * @param {Identity} identity
 * @param {number} timeoutMs
 */
export const waitGroupGone = async (identity, timeoutMs) => {
  const end = performance.now() + timeoutMs;
  while (isGroupAlive(identity)) {
    if (performance.now() >= end) return false;
    await sleep(25);
  }
  return true;
};

/**
 * A node goes last among the processes of its machine from its first instant (sched(7), autogroup), for
 * while it starts, others have logins to hash; a quarter of a start is over before code of its own
 * runs. Once it serves it raises itself (worker/nice.ts). Harmless where there is no such thing.
 * @param {number} pid
 */
export const yieldToOthers = (pid) => {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '19');
  } catch {}
};
