/**
 * The stand of the haproxy bench: three real nodes with one hash thread each, and three ways to them:
 * Floodgate's own edge, HAProxy by hash, HAProxy by least connections. Isolated: the hash threads
 * share one core, everything else the other. Each way has clients of its own, of which only one kind
 * is active at a time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClosedLoopCalls } from './closed-loop.js';
import { place } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import {
  choosePorts,
  type Haproxy,
  type Ports,
  startHaproxy,
  verdictRequests,
} from './haproxy-process.js';
import { type ByWay, mapWays, type Way, ways } from './haproxy-ways.js';
import { createLoad, type Load } from './open/load.js';
import { type Peer, startPeer } from './peer.js';
import { createUsers, forwardedLogins } from './users.js';

export const nodeCount = 3;
/** At 500 arrivals a second each account stays below its 60 a minute for as long as that lasts. */
export const userCount = 500;
export const clients = 3 * nodeCount;
/** Accounts that many want at once; each run needs one of its own. */
export const hotCount = 10;
const noticedMs = 1000;
export type Rig = {
  fleet: Fleet;
  ports: Ports;
  haproxy: () => Haproxy;
  /** Open loop. */
  loads: ByWay<Load>;
  /** Closed loop. */
  crowds: ByWay<Peer<ClosedLoopCalls>>;
  /** Everything the bench has started. */
  pids: () => number[];
  /** Three nodes anew, HAProxy in front of them. */
  renew: () => Promise<void>;
};

type Requests = ByWay<string[]>;
type Progress = (text: string) => void;

export const hotGroup = (run: number): string => `hot${run % hotCount}`;

/** The same accounts on every way: a crowd, and some that stand alone. */
const groupsOf = (requests: readonly string[]): Record<string, string[]> => ({
  all: requests.slice(hotCount),
  ...Object.fromEntries(requests.slice(0, hotCount).map((text, i) => [hotGroup(i), [text]])),
});

const whenAll = async <T>(found: ByWay<Promise<T>>): Promise<ByWay<T>> => {
  const { floodgate, hash, leastconn } = found;
  const [a, b, c] = await Promise.all([floodgate, hash, leastconn]);
  return { floodgate: a, hash: b, leastconn: c };
};

/** Signs everybody in, which warms the edge up, and learns the account keys from the session ids. */
const learnAccounts = async (port: number, logins: string[]): Promise<string[]> => {
  const crowd = startPeer<ClosedLoopCalls>('closed-loop.ts');
  const accounts = new Set<string>();
  try {
    await crowd.ask('aim', { target: { host: '127.0.0.1', port }, requests: logins });
    const collecting = { connections: clients, settleMs: 0, windowMs: 120_000, keepBodies: true };
    const { bodies } = await crowd.ask('closed', { ...collecting, limit: logins.length });
    for (const body of bodies) {
      const answer: { session_id: string } = JSON.parse(body);
      accounts.add(answer.session_id.split('.')[0] ?? '');
    }
    if (accounts.size < logins.length / 2) throw new Error('most logins are refused');
    return [...accounts];
  } finally {
    await crowd.stop();
  }
};

const openClients = async (fleet: Fleet, ports: Ports, requests: Requests) => {
  const targetOf = (way: Way) => {
    return { host: '127.0.0.1', port: way === 'floodgate' ? fleet.port : ports[way] };
  };
  const loads = mapWays(async (way) => {
    const load = await createLoad({ target: targetOf(way), groups: groupsOf(requests[way]) });
    fleet.onStop(load.stop);
    return load;
  });
  const crowds = mapWays(async (way) => {
    const crowd = startPeer<ClosedLoopCalls>('closed-loop.ts');
    fleet.onStop(crowd.stop);
    await crowd.ask('aim', { target: targetOf(way), requests: requests[way].slice(hotCount) });
    return crowd;
  });
  return { loads: await whenAll(loads), crowds: await whenAll(crowds) };
};

const fillFleet = async (fleet: Fleet, count: number, progress: Progress): Promise<Rig> => {
  progress(`creating ${count} users`);
  const users = await createUsers(fleet, count);
  const logins = forwardedLogins(users);
  progress(`signing in ${count} users`);
  const accounts = await learnAccounts(fleet.port, logins);
  const verdicts = verdictRequests(accounts, users.password);
  const ports = await choosePorts();
  let haproxy = await startHaproxy(fleet, ports);
  const requests = { floodgate: logins, hash: verdicts, leastconn: verdicts };
  const { loads, crowds } = await openClients(fleet, ports, requests);
  const pids = () => [
    ...fleet.processes().map(({ pid }) => pid),
    ...ways.flatMap((way) => [loads[way].pid, crowds[way].pid]),
    haproxy.pid,
  ];
  const renew = async () => {
    await haproxy.stop();
    await fleet.setNodes(nodeCount, 1);
    haproxy = await startHaproxy(fleet, ports);
    place(pids(), 'isolated');
    // The first requests of a node, and the first checks of HAProxy.
    await sleep(noticedMs);
  };
  place(pids(), 'isolated');
  return { fleet, ports, haproxy: () => haproxy, loads, crowds, pids, renew };
};

export const openRig = async (progress: Progress, users = userCount): Promise<Rig> => {
  progress('starting');
  const fleet = await startFleet({
    nodes: nodeCount,
    threadsPerNode: 1,
    edges: 1,
    gatewayEnv: { TRUSTED_PROXIES: '127.0.0.1' },
  });
  try {
    return await fillFleet(fleet, users, progress);
  } catch (error) {
    await fleet.stop();
    throw error;
  }
};
