/**
 * The measuring behind the verify bench: one edge against a bare `node:http` server with the same
 * answer; the cost of a token seen for the first time; and the latency of checks at a fixed rate,
 * idle and while logins saturate all nodes.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BareCalls } from './bare-server.js';
import type { ClosedLoopCalls, Slice } from './closed-loop.js';
import { cpuTime, pin } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import { besideNeighbours } from './neighbours.js';
import { createLoad } from './open/load.js';
import { isServed, latencies, within } from './open/samples.js';
import { type Peer, startPeer } from './peer.js';
import type { Options } from './report.js';
import { type Comparison, compare } from './slices.js';
import { type Interval, median, medianInterval, percentile } from './stats.js';
import { fillRevocations, type Tokens, takeTokens } from './tokens.js';
import { createUsers, loginRequests, verifyRequests } from './users.js';

export const tokenCount = 1000;
export const logEntries = 10_000;
export const checksPerSecond = 500;
const saturating = 16;
/** Slices of each behind the CPU per check. */
const cpuRounds = 5;
/** Of new tokens: V8 has optimised their way after some thousands. */
const warmUpParts = 4;
export const span = { settleMs: 100, windowMs: 1000 };
export const floodSpan = { settleMs: 300, windowMs: 3000 };

type Rig = {
  fleet: Fleet;
  edge: number;
  tokens: Tokens;
  logins: string[];
  /** Sends checks, one after the other. */
  load: Peer<ClosedLoopCalls>;
  /** Signs in. */
  crowd: Peer<ClosedLoopCalls>;
  bare: Peer<BareCalls>;
  slots: number;
};
export type Flood = {
  idle: Interval;
  flood: Interval;
  idleP50: number;
  floodP50: number;
  lost: number;
  dropped: number;
  isNoisy: boolean;
};
/** Microseconds of CPU per check; `signature`: of a cold one, what its Ed25519 signature takes by itself. */
type Cpu = { bareUs: number; warmUs: number; coldUs: number; signatureUs: number };
export type VerifyResult = {
  warm: Comparison<Slice, Slice>;
  cpu: Cpu;
  flood: Flood;
};

const openRig = async (options: Options): Promise<Rig> => {
  const nodes = options.nodes.at(-1) ?? 2;
  const threadsPerNode = Math.max(1, Math.floor(availableParallelism() / nodes));
  options.progress('starting');
  const { profile } = options;
  const fleet = await startFleet({
    nodes,
    threadsPerNode,
    edges: 1,
    profile,
  });
  const load = startPeer<ClosedLoopCalls>('closed-loop.ts');
  const crowd = startPeer<ClosedLoopCalls>('closed-loop.ts');
  const bare = startPeer<BareCalls>('bare-server.ts');
  try {
    options.progress(`creating ${tokenCount} users`);
    const users = await createUsers(fleet, tokenCount);
    options.progress(`signing in ${tokenCount} users`);
    const target = { host: '127.0.0.1', port: fleet.port };
    const logins = loginRequests(users);
    await crowd.ask('aim', { target, requests: logins });
    const slots = nodes * threadsPerNode;
    const tokens = await takeTokens({ fleet, crowd, load, count: tokenCount, slots });
    await fillRevocations(fleet, logEntries);
    const edge = fleet.processes().find(({ kind }) => kind === 'edges')?.pid ?? 0;
    return { fleet, edge, tokens, logins, load, crowd, bare, slots };
  } catch (error) {
    await Promise.all([load.stop(), crowd.stop(), bare.stop(), fleet.stop()]);
    throw error;
  }
};

const pidsOf = ({ fleet, load, crowd, bare }: Rig): number[] => [
  ...fleet.processes().map(({ pid }) => pid),
  ...[load.pid, crowd.pid, bare.pid],
];

const closeRig = async ({ fleet, load, crowd, bare }: Rig) => {
  await Promise.all([load.stop(), crowd.stop(), bare.stop()]);
  await fleet.stop();
};

const usedUs = async (pid: number, run: () => Promise<unknown>): Promise<number> => {
  const before = cpuTime(pid).otherMs;
  await run();
  return (cpuTime(pid).otherMs - before) * 1000;
};

const perCheckUs = async (pid: number, run: () => Promise<Slice>): Promise<number> => {
  let sent = 0;
  const us = await usedUs(pid, async () => {
    const slice = await run();
    sent = slice.sent;
    if (slice.failed > 0) throw new Error(`${slice.failed} of ${sent} token checks failed`);
  });
  return us / sent;
};

/** The headers of a real answer, for the bare server to give. */
const answerHeaders = async (fleet: Fleet, token: string) => {
  const answer = await fetch(`http://127.0.0.1:${fleet.port}/v1/verify`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (answer.status !== 200) throw new Error(`a fresh token was refused: ${answer.status}`);
  const headers = Object.fromEntries(answer.headers);
  // Node adds these by itself, to both.
  for (const name of ['date', 'connection', 'keep-alive']) delete headers[name];
  return { headers, body: await answer.text() };
};

const measureWarm = async (rig: Rig, options: Options) => {
  const { fleet, load, crowd, bare, edge, tokens } = rig;
  const requests = verifyRequests(tokens.warm);
  const barePort = await bare.ask('listen', await answerHeaders(fleet, tokens.warm[0] ?? ''));
  // From here on `crowd` is idle, so it serves as the generator for the bare server.
  await load.ask('aim', { target: { host: '127.0.0.1', port: fleet.port }, requests });
  await crowd.ask('aim', { target: { host: '127.0.0.1', port: barePort }, requests });
  for (const pid of [edge, bare.pid]) pin(pid, '0');
  for (const pid of [load.pid, crowd.pid]) pin(pid, '1');
  const run = (peer: Peer<ClosedLoopCalls>, windowMs = span.windowMs) =>
    peer.ask('closed', { connections: saturating, settleMs: span.settleMs, windowMs });
  options.progress('warming up');
  await run(load, 3000);
  await run(crowd, 3000);
  const warm = await compare({
    ...besideNeighbours(pidsOf(rig), options, 'warm'),
    a: () => run(load),
    b: () => run(crowd),
  });
  const warmUs: number[] = [];
  const bareUs: number[] = [];
  for (let round = 0; round < cpuRounds; round++) {
    warmUs.push(await perCheckUs(edge, () => run(load)));
    bareUs.push(await perCheckUs(bare.pid, () => run(crowd)));
  }
  return { warm, warmUs: median(warmUs), bareUs: median(bareUs) };
};

/** Each token once; the first parts warm the code up, the others are measured, signatures beside each. */
const measureCold = async ({ load, fleet, edge, bare, tokens }: Rig, options: Options) => {
  options.progress('cold tokens');
  const target = { host: '127.0.0.1', port: fleet.port };
  const once = async (part: string[]) => {
    await load.ask('aim', { target, requests: verifyRequests(part) });
    const windowMs = 60_000;
    return perCheckUs(edge, () =>
      load.ask('closed', { connections: saturating, settleMs: 0, windowMs, limit: part.length }),
    );
  };
  const coldUs: number[] = [];
  const signatureUs: number[] = [];
  for (const part of tokens.cold) {
    coldUs.push(await once(part));
    const all = await usedUs(bare.pid, () => bare.ask('checkSignatures', part.length));
    signatureUs.push(all / part.length);
  }
  return {
    coldUs: median(coldUs.slice(warmUpParts)),
    signatureUs: median(signatureUs.slice(warmUpParts)),
  };
};

const measureFlood = async (rig: Rig, options: Options): Promise<Flood> => {
  const { fleet, crowd, tokens, slots, edge } = rig;
  const target = { host: '127.0.0.1', port: fleet.port };
  await crowd.ask('aim', { target, requests: rig.logins });
  const checks = await createLoad({ target, groups: { all: verifyRequests(tokens.warm) } });
  fleet.onStop(checks.stop);
  for (const pid of [edge, checks.pid, crowd.pid]) pin(pid, '0-1');
  const durationMs = floodSpan.settleMs + floodSpan.windowMs;
  let lost = 0;
  const check = async () => {
    const { samples } = await checks.run({
      phases: [{ perSecond: checksPerSecond, durationMs }],
    });
    lost += samples.filter((sample) => !isServed(sample)).length;
    const its = latencies(within(samples, { fromMs: floodSpan.settleMs, toMs: durationMs }));
    return { rate: percentile(its, 0.99), p50: percentile(its, 0.5) };
  };
  const flooded = async () => {
    const windowMs = durationMs + 200;
    const crowding = crowd.ask('closed', { connections: 3 * slots, settleMs: 0, windowMs });
    await sleep(100);
    const checked = await check();
    await crowding;
    return checked;
  };
  const { a, b, dropped, isNoisy } = await compare({
    ...besideNeighbours([...pidsOf(rig), checks.pid], options, 'flood'),
    a: flooded,
    b: check,
  });
  return {
    flood: medianInterval(a.map(({ rate }) => rate)),
    idle: medianInterval(b.map(({ rate }) => rate)),
    floodP50: median(a.map(({ p50 }) => p50)),
    idleP50: median(b.map(({ p50 }) => p50)),
    lost,
    dropped,
    isNoisy,
  };
};

export const measureVerify = async (options: Options): Promise<VerifyResult> => {
  const rig = await openRig(options);
  try {
    const { warm, warmUs, bareUs } = await measureWarm(rig, options);
    const cold = await measureCold(rig, options);
    const flood = await measureFlood(rig, options);
    return { warm, cpu: { warmUs, bareUs, ...cold }, flood };
  } finally {
    await closeRig(rig);
  }
};
