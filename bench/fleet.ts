/**
 * The whole system from dist with a Redis of its own, on free ports and in a temporary directory.
 * Knows which process is what, so that CPU time can be told apart. Nodes can be exchanged while the
 * gateway stays, as they can in operation. Stops only what it started.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, hasTitle } from './cpu.js';
import { createNodes, type FleetNodes } from './fleet-nodes.js';
import { end, freePort, launch, programs } from './launch.js';
import { type Redis, startRedis } from './redis.js';

export type Kind = 'edges' | 'primary' | 'admin' | 'nodes' | 'redis';
export type Process = { kind: Kind; pid: number };
export type Fleet = {
  /** Of all logs. */
  dir: string;
  port: number;
  adminPort: number;
  adminToken: string;
  redis: Redis;
  /** The settings of a node that the bench starts itself. */
  nodeEnv: Record<string, string>;
  processes: () => Process[];
  /** For what a bench puts beside it: ends with the fleet, before it. */
  onStop: (step: () => unknown) => void;
  nodes: FleetNodes;
  gatewayPid: number;
  admin: ReturnType<typeof createAdmin>;
  /** Other nodes instead of those there are; resolves when the edges know. */
  setNodes: (nodes: number, threadsPerNode: number) => Promise<void>;
  stop: () => Promise<void>;
};
export type FleetOptions = {
  nodes: number;
  threadsPerNode: number;
  edges?: number;
  /** Further settings of the gateway. */
  gatewayEnv?: Record<string, string>;
  /** Further settings of the fleet's own nodes. */
  nodeEnv?: Record<string, string>;
  /** Where CPU profiles of edges and nodes go. */
  profile?: string | undefined;
  /** Another way of the gateway to the Redis: its URL. */
  wayTo?: (redis: Redis) => Promise<string>;
};

/** Edges read the registry every 500 ms. */
const noticedMs = 1500;
const living = new Set<() => Promise<void>>();

/** For a bench that is interrupted. */
export const stopFleets = async () => {
  await Promise.all([...living].map((stop) => stop()));
};

/** Secrets reach the programs as files; what is returned names them. */
const writeSecrets = (dir: string, secrets: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(secrets).map(([name, value]) => {
      const path = join(dir, name);
      writeFileSync(path, value, { mode: 0o600 });
      return [`${name}_FILE`, path];
    }),
  );

const randomText = () => randomBytes(32).toString('base64url');

const gatewayProcesses = (pid: number): Process[] => [
  { kind: 'primary', pid },
  ...childrenOf(pid).map((child): Process => {
    return { kind: hasTitle(child, 'admin') ? 'admin' : 'edges', pid: child };
  }),
];

type AdminOptions = {
  body?: object;
  /** How often at most, until it is one that is wanted. */
  tries?: number;
  /** Refusals that the caller can do something with. */
  also?: readonly number[];
};
const againMs = 200;

/** Calls of the admin port. Throws for any other status than 2xx and those of `also`. */
const createAdmin = (port: number, token: string) => {
  const ask = async (method: 'GET' | 'POST', path: string, body: object | undefined) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  return async (method: 'GET' | 'POST', path: string, its: AdminOptions = {}) => {
    const { body, tries = 1, also = [] } = its;
    for (let tried = 1; ; tried++) {
      const lost = (error: unknown) => ({ status: 0, text: String(error) });
      const { status, text } = await ask(method, path, body).catch(lost);
      if ((status >= 200 && status < 300) || also.includes(status)) return { status, text, tried };
      if (tried === tries) throw new Error(`${method} ${path}: ${status} ${text}`);
      await sleep(againMs);
    }
  };
};

export const startFleet = async (options: FleetOptions): Promise<Fleet> => {
  const { profile, edges } = options;
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-bench-'));
  const steps: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const stop = async () => {
    living.delete(stop);
    for (const step of steps.splice(0).reverse()) await step();
  };
  living.add(stop);
  try {
    const redis = await startRedis(dir);
    steps.push(redis.stop);
    const shared = writeSecrets(dir, { NODE_SECRET: randomText(), REDIS_URL: redis.url });
    const adminToken = randomText();
    const own = writeSecrets(dir, { ADMIN_TOKEN: adminToken, KEY_ENCRYPTION_KEY: randomText() });
    const way = options.wayTo && (await options.wayTo(redis));
    if (way !== undefined) writeFileSync(join(dir, 'WAY_URL'), way, { mode: 0o600 });
    const to = way === undefined ? {} : { REDIS_URL_FILE: join(dir, 'WAY_URL') };
    const env = { ...shared, DATA_DIR: dir, RUNTIME_DIR: dir };
    const nodes = createNodes({ dir, env: { ...env, ...options.nodeEnv }, profile });
    steps.push(nodes.stop);
    await nodes.set(options.nodes, options.threadsPerNode);

    const [port, adminPort] = [await freePort(), await freePort()];
    const listening = { HOST: '127.0.0.1', PORT: String(port), ADMIN_PORT: String(adminPort) };
    const edgeCount = edges === undefined ? {} : { EDGES: String(edges) };
    const base = { ...env, ...own, ...to, ...listening, ...edgeCount };
    const gatewayEnv = { ...base, ...options.gatewayEnv };
    const script = programs.gateway;
    const gateway = await launch({ name: 'gateway', script, dir, env: gatewayEnv, profile });
    steps.push(() => end(gateway));
    return {
      ...{ dir, port, adminPort, adminToken, redis, nodeEnv: env, nodes, stop },
      gatewayPid: gateway.pid ?? 0,
      admin: createAdmin(adminPort, adminToken),
      onStop: (step) => void steps.push(step),
      processes: () => [
        { kind: 'redis', pid: redis.pid },
        ...nodes.pids().map((pid): Process => ({ kind: 'nodes', pid })),
        ...gatewayProcesses(gateway.pid ?? 0),
      ],
      setNodes: async (count, threads) => {
        await nodes.set(count, threads);
        await sleep(noticedMs);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
