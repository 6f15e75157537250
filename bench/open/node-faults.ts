/** What happens to one node of three: it is killed, stopped, made to fail at once, or slowed down. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetNode } from '../fleet-nodes.js';
import { nowMs } from '../pacer.js';
import { type Peer, startPeer } from '../peer.js';
import type { FaultyCalls } from './faulty-node.js';
import type { Rig } from './rig.js';

export const faultNames = ['kill -9', 'SIGSTOP', '3 × slower', 'fast-failing'] as const;
export type FaultName = (typeof faultNames)[number];
export type Fault = (stage: Stage) => Promise<void>;
type Stage = {
  rig: Rig;
  faultMs: number;
  mark: (label: string) => void;
  /** Looks at the breaker of this node from now on. */
  watch: (node: FleetNode) => void;
};

/** At least so long a killed node stays away: to see that all is well takes two seconds, after what it took. */
const awayMs = 5000;
/** Runs a third of the time: three times slower, as under a CPU quota. */
const slow = { stoppedMs: 20, runningMs: 10 };

export const lastNode = (rig: Rig): FleetNode => {
  const node = rig.fleet.nodes.all().at(-1);
  if (node === undefined) throw new Error('there is no node');
  return node;
};

const killing =
  (times: number): Fault =>
  async ({ rig, faultMs, mark }) => {
    const { nodes } = rig.fleet;
    for (let i = 0; i < times; i++) {
      const victim = nodes.all()[0];
      if (victim === undefined) throw new Error('there is no node to kill');
      mark('kill -9');
      await nodes.kill(victim);
      await sleep(Math.max(awayMs, faultMs / 2));
      mark('start');
      await nodes.start({ threads: 1, id: victim.id });
      mark('ready');
      await sleep(faultMs / 2);
    }
  };

const stopped: Fault = async ({ rig, faultMs, mark, watch }) => {
  const node = lastNode(rig);
  mark('SIGSTOP');
  node.child.kill('SIGSTOP');
  watch(node);
  await sleep(faultMs);
  mark('SIGCONT');
  node.child.kill('SIGCONT');
  await sleep(faultMs);
};

const slowed: Fault = async ({ rig, faultMs, mark, watch }) => {
  const node = lastNode(rig);
  mark('3 × slower');
  watch(node);
  for (const until = nowMs() + faultMs; nowMs() < until; ) {
    node.child.kill('SIGSTOP');
    await sleep(slow.stoppedMs);
    node.child.kill('SIGCONT');
    await sleep(slow.runningMs);
  }
  mark('as before');
  await sleep(faultMs / 2);
};

/** Instead of the last node, one behind a socket of ours. */
const replaceByFaulty = async (rig: Rig): Promise<Peer<FaultyCalls>> => {
  const { dir: runtimeDir, nodes, onStop } = rig.fleet;
  const behind = join(runtimeDir, 'behind');
  mkdirSync(behind, { mode: 0o700 });
  copyFileSync(join(runtimeDir, 'dir_id'), join(behind, 'dir_id'));
  const faulty = startPeer<FaultyCalls>('open/faulty-node.ts');
  onStop(faulty.stop);
  await nodes.leave(lastNode(rig));
  await nodes.start({ threads: 1, env: { RUNTIME_DIR: behind } });
  await faulty.ask('stand', { runtimeDir, behind });
  return faulty;
};

const failing =
  (faulty: Peer<FaultyCalls>): Fault =>
  async ({ rig, faultMs, mark, watch }) => {
    watch(lastNode(rig));
    mark('500 at once');
    await faulty.ask('setMode', 'fail');
    await sleep(faultMs);
    mark('as before');
    await faulty.ask('setMode', 'pass');
    await sleep(faultMs);
  };

/** What happens, and what has to be there first. */
export const prepare = async (
  rig: Rig,
  name: FaultName,
  its: { kills: number },
): Promise<Fault> => {
  if (name === 'kill -9') return killing(its.kills);
  if (name === 'SIGSTOP') return stopped;
  if (name === '3 × slower') return slowed;
  return failing(await replaceByFaulty(rig));
};
