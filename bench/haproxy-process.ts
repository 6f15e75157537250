/**
 * Debian's HAProxy in front of the nodes' own endpoint, the way its documentation would have it done
 * for few, slow, expensive slots: one port for `balance hash`, one for `balance leastconn`. A server
 * bears the caller proof of its node as its name, so that HAProxy can say it to the right one, also
 * when it tries another.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { callerProof, headers } from '../shared/protocol.js';
import type { Fleet } from './fleet.js';
import { end, freePort } from './launch.js';
import { findProgram } from './programs.js';

export type Balance = 'hash' | 'leastconn';
const balances: Balance[] = ['hash', 'leastconn'];
export type Ports = Record<Balance, number>;
export type Haproxy = { pid: number; stop: () => Promise<void> };
type Server = { proof: string; socketPath: string };
type Tuning = {
  maxconn: number;
  queueMs: number;
  serverMs: number;
  checkMs: number;
  factor: number;
};

export const missing =
  'HAProxy is not installed; on Debian: apt-get install -y haproxy (its service need not run)';
/** The best of those tried. */
export const tuned: Tuning = {
  maxconn: 1,
  queueMs: 200,
  serverMs: 600,
  checkMs: 300,
  factor: 125,
};

export const findHaproxy = (): string | undefined => findProgram('haproxy');

export const haproxyVersion = (path: string): string => {
  const { stdout } = spawnSync(path, ['-v'], { encoding: 'utf8' });
  return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
};

// ─── the nodes, as a neighbour on the same host finds them ───────────────────

const bootIds = async (fleet: Fleet): Promise<string[]> => {
  const { text } = await fleet.admin('GET', '/nodes');
  const { nodes }: { nodes: { boot_id: string }[] } = JSON.parse(text);
  return nodes.map(({ boot_id }) => boot_id);
};

/** A socket's name ends with the beginning of its node's boot id. */
const serversOf = (bootIds: readonly string[], { nodeEnv }: Fleet): Server[] => {
  const { RUNTIME_DIR: dir = '', NODE_SECRET_FILE: secretFile = '' } = nodeEnv;
  const secret = readFileSync(secretFile, 'utf8').trim();
  const sockets = readdirSync(dir).filter((name) => name.endsWith('.sock'));
  return bootIds.flatMap((bootId) => {
    const name = sockets.find((socket) => socket.endsWith(`-${bootId.slice(0, 8)}.sock`));
    return name === undefined
      ? []
      : [{ proof: callerProof(secret, bootId), socketPath: join(dir, name) }];
  });
};

/** Those that run now: a node that was killed is listed for some seconds more. */
const findServers = async (fleet: Fleet): Promise<Server[]> => {
  const count = fleet.nodes.all().length;
  for (let tries = 0; tries < 50; tries++) {
    const listed = await bootIds(fleet);
    const servers = serversOf(listed, fleet);
    if (servers.length === count && listed.length === count) return servers;
    await sleep(200);
  }
  throw new Error('a node has no socket');
};

// ─── configuration ───────────────────────────────────────────────────────────

const algorithms = (factor: number): Record<Balance, string[]> => ({
  hash: [
    'balance hash req.hdr(x-account)',
    'hash-type consistent',
    `hash-balance-factor ${factor}`,
  ],
  leastconn: ['balance leastconn'],
});

/**
 * maxconn: what a node runs at once; the rest waits here. One or two more in advance made latency
 * worse at the same goodput, because the nodes share a core that is busy anyway. timeout queue: of 80,
 * 150 and 300 ms the short one cost goodput below capacity, the long one latency above it. Weight 256:
 * 4,096 points of the hash ring for each server instead of 16. timeout server: what an edge waits for an
 * attempt; at 2.5 s, and checks that wait 1 s, the slowest login beside a stopped node took 2.6 s. A failed
 * attempt, or a node's "not started", goes to another server at once: safe, because a login writes nothing
 * at the node.
 */
const configOf = (servers: readonly Server[], ports: Ports, tuning: Tuning): string => {
  const { maxconn, queueMs, serverMs, checkMs, factor } = tuning;
  const section = (name: Balance) => [
    `frontend ${name}`,
    `  bind 127.0.0.1:${ports[name]}`,
    `  default_backend ${name}`,
    `backend ${name}`,
    ...algorithms(factor)[name].map((line) => `  ${line}`),
    ...servers.map(({ proof, socketPath }) => `  server ${proof} unix@${socketPath}`),
  ];
  return [
    'global',
    '  nbthread 1',
    '  maxconn 4000',
    'defaults',
    '  mode http',
    '  timeout connect 500ms',
    '  timeout client 60s',
    `  timeout server ${serverMs}ms`,
    `  timeout queue ${queueMs}ms`,
    `  timeout check ${checkMs}ms`,
    '  http-reuse always',
    '  retries 2',
    '  option redispatch 1',
    '  retry-on conn-failure empty-response response-timeout 503',
    `  http-send-name-header ${headers.caller}`,
    '  option httpchk',
    `  http-check send meth GET uri /selftest ver HTTP/1.1 hdr host node hdr ${headers.caller} %[srv_name]`,
    '  http-check expect status 200',
    `  default-server maxconn ${maxconn} weight 256 check inter 500ms fastinter 100ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down`,
    ...balances.flatMap(section),
    '',
  ].join('\n');
};

// ─── the process ─────────────────────────────────────────────────────────────

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const waitUp = async (child: ChildProcess, port: number, output: () => string) => {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`haproxy ended while starting\n${output()}`);
    if (await accepts(port)) return;
    await sleep(50);
  }
  throw new Error(`haproxy was not ready in time\n${output()}`);
};

export const choosePorts = async (): Promise<Ports> => ({
  hash: await freePort(),
  leastconn: await freePort(),
});

/** In front of the nodes that the fleet has now. */
export const startHaproxy = async (
  fleet: Fleet,
  ports: Ports,
  tuning: Tuning = tuned,
): Promise<Haproxy> => {
  const path = findHaproxy();
  if (path === undefined) throw new Error(missing);
  const file = join(fleet.dir, 'haproxy.cfg');
  // The names of the servers are proofs.
  writeFileSync(file, configOf(await findServers(fleet), ports, tuning), { mode: 0o600 });
  const child = spawn(path, ['-db', '-f', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk) => {
      text = (text + chunk).slice(-2000);
    });
  const stop = () => end(child);
  fleet.onStop(stop);
  try {
    await waitUp(child, ports.leastconn, () => text);
    return { pid: child.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

// ─── requests ────────────────────────────────────────────────────────────────

/**
 * Logins as an edge would put them to a node, for accounts by their keys. The key is in a header too,
 * because that is the cheapest thing for HAProxy to hash.
 */
export const verdictRequests = (accounts: readonly string[], password: string): string[] =>
  accounts.map((u) => {
    const body = JSON.stringify({ u, password });
    const fields = {
      host: 'node',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-account': u,
      [headers.attempt]: randomBytes(16).toString('base64url'),
      [headers.remainingMs]: 2500,
      [headers.class]: 'login',
    };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    return `POST /login HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
  });
