/**
 * A stand-in for worker nodes, so that the gateway in front of many of them can be measured on two
 * cores. Each is the real node (registry entry and heartbeat, socket, caller check, record lookup,
 * admission, signed verdict, load header); only in place of its hash threads is a timer of fixed
 * duration, and one process serves many node ids.
 * What it does not do: hash, compare (every password of an account is right), or use a core of its
 * own. So it says nothing about nodes, and what it costs is not counted.
 */
import { randomBytes } from 'node:crypto';
import { hashSync } from '@node-rs/argon2';
import { createLog } from '../shared/log.js';
import { loadConfig } from '../worker/config.js';
import type { Done } from '../worker/passwords/threads.js';
import { startWorker } from '../worker/server.js';
import { serve } from './peer.js';
import { hashOptions } from './users.js';

type Step = () => unknown;
type Setup = { env: Record<string, string>; slots: number; serviceMs: number };

const log = createLog({ level: 'error', role: 'stand-in' });
/** The decoy of unknown accounts: nobody knows its password. */
const decoy = hashSync(randomBytes(24).toString('base64url'), hashOptions);

/** Takes its work like hash threads: each in order, one at a time, `serviceMs` each. */
const createTimers = (count: number, serviceMs: number) => {
  const freeAt = new Float64Array(count);
  const send = (index: number, _work: unknown, done: Done) => {
    const at = performance.now();
    freeAt[index] = Math.max(at, freeAt[index] ?? 0) + serviceMs;
    setTimeout(done, (freeAt[index] ?? 0) - at, undefined, true);
  };
  return {
    send,
    warm: async (): Promise<unknown[]> => {
      await new Promise((resolve) => setTimeout(resolve, serviceMs));
      return [decoy];
    },
    areAlive: async () => true,
    stop: async () => {},
  };
};

const startNode = async (nodeId: string, { env, slots, serviceMs }: Setup): Promise<Step> => {
  const config = loadConfig({ ...env, NODE_ID: nodeId, HASH_THREADS: String(slots) }, process.pid);
  const steps: Step[] = [];
  const onStop = (name: string, step: Step) => {
    // There is one log for all, and it goes on.
    if (name !== 'log') steps.push(step);
  };
  const openThreads = ({ count }: { count: number }) => createTimers(count, serviceMs);
  await startWorker({ config, lifecycle: { onStop }, log, openThreads });
  return async () => {
    for (const step of steps.reverse()) await step();
  };
};

let setup: Setup = { env: {}, slots: 1, serviceMs: 20 };
const running: Step[] = [];

const calls = {
  prepare: (given: Setup) => {
    setup = given;
  },
  /** So many nodes from now on: the missing ones join, the last ones drain and leave. */
  setCount: async (count: number) => {
    while (running.length < count)
      running.push(await startNode(`stand-in-${running.length}`, setup));
    await Promise.all(running.splice(count).map((stop) => stop()));
  },
};
export type StandInCalls = typeof calls;

serve(calls);
