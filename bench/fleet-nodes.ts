/**
 * The worker nodes of a fleet, each a process of its own that can be started, asked to leave, killed
 * or stopped by itself, as nodes are in operation. What was stopped is continued before it is ended.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { end, launch, programs } from './launch.js';

export type FleetNode = { id: string; pid: number; child: ChildProcess; log: string };
export type FleetNodes = ReturnType<typeof createNodes>;
type NodeOptions = { threads: number; id?: string; env?: Record<string, string> };

/** `env`: settings of every node. */
export const createNodes = (options: {
  dir: string;
  env: Record<string, string>;
  profile: string | undefined;
}) => {
  const { dir, profile } = options;
  let nodes: FleetNode[] = [];
  let started = 0;

  const start = async ({ threads, id, env = {} }: NodeOptions): Promise<FleetNode> => {
    const name = id ?? `node-${started}`;
    const log = `${name}.${started++}`;
    const settings = { ...options.env, ...env, NODE_ID: name, HASH_THREADS: String(threads) };
    const child = await launch({
      name: log,
      script: programs.worker,
      dir,
      env: settings,
      profile,
    });
    const node = { id: name, pid: child.pid ?? 0, child, log: join(dir, `${log}.log`) };
    nodes.push(node);
    return node;
  };

  const forget = (node: FleetNode) => {
    nodes = nodes.filter((other) => other !== node);
  };

  /** Drains and leaves. */
  const leave = async (node: FleetNode) => {
    forget(node);
    node.child.kill('SIGCONT');
    await end(node.child);
  };

  const kill = async (node: FleetNode) => {
    forget(node);
    const gone = once(node.child, 'exit');
    node.child.kill('SIGKILL');
    await gone;
  };

  return {
    /** Those that have not been asked to leave, in the order of their start. */
    all: (): readonly FleetNode[] => nodes,
    pids: () => nodes.map(({ pid }) => pid),
    start,
    leave,
    kill,
    set: async (count: number, threads: number) => {
      const old = [...nodes];
      await Promise.all(Array.from({ length: count }, () => start({ threads })));
      await Promise.all(old.map(leave));
    },
    stop: async () => {
      await Promise.all(nodes.map(leave));
    },
  };
};
