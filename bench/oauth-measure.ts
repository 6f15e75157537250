/**
 * The measuring behind the OAuth bench: one edge, asked by 16 connections in a closed loop. Refresh
 * tokens are used once each, so a slice of refreshes is one round over all sessions, and the next one
 * takes the successors.
 */

import type { ClosedLoopCalls } from './closed-loop.js';
import { cpuTime } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import { type Peer, startPeer } from './peer.js';
import type { Options } from './report.js';
import { type Interval, median, medianInterval } from './stats.js';
import { type Pair, parsePair, signInAll } from './tokens.js';
import { createUsers, loginRequests } from './users.js';

export const tokenCount = 500;
export const endpoints = ['client_credentials', 'introspect', 'refresh'] as const;
export type Measured = { rate: Interval; edgeUs: number; redisUs: number };

const connections = 16;
const sliceMs = 1000;

type Rig = {
  fleet: Fleet;
  load: Peer<ClosedLoopCalls>;
  edge: number;
  redis: number;
  options: Options;
};
type Sample = { rate: number; edgeUs: number; redisUs: number };

const formRequest = (path: string, form: Record<string, string>, authorization = ''): string => {
  const body = new URLSearchParams(form).toString();
  return (
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}` +
    'Content-Type: application/x-www-form-urlencoded\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
};

/** The Authorization line of a client that may ask about every token. */
const addClient = async ({ admin }: Fleet): Promise<string> => {
  const body = { name: 'bench', scopes: 'read write', introspect: 'any' };
  const { text } = await admin('POST', '/clients', { body });
  const { client_id, client_secret }: Record<string, unknown> = JSON.parse(text);
  const pair = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
  return `Authorization: Basic ${pair}\r\n`;
};

/** Rate and CPU of what `run` sends. */
const sample = async (
  { edge, redis }: Rig,
  run: () => Promise<{ sent: number; failed: number }>,
): Promise<Sample> => {
  const before = [edge, redis].map((pid) => cpuTime(pid).otherMs);
  const startedAt = performance.now();
  const { sent, failed } = await run();
  const seconds = (performance.now() - startedAt) / 1000;
  if (failed > 0) throw new Error(`${failed} of ${sent} requests failed`);
  const [edgeUs = 0, redisUs = 0] = [edge, redis].map(
    (pid, i) => ((cpuTime(pid).otherMs - (before[i] ?? 0)) * 1000) / sent,
  );
  return { rate: sent / seconds, edgeUs, redisUs };
};

const summarise = (samples: readonly Sample[]): Measured => ({
  rate: medianInterval(samples.map(({ rate }) => rate)),
  edgeUs: median(samples.map(({ edgeUs }) => edgeUs)),
  redisUs: median(samples.map(({ redisUs }) => redisUs)),
});

/** The first slice warms up. */
const repeat = async (rig: Rig, name: string, take: () => Promise<Sample>): Promise<Measured> => {
  const samples: Sample[] = [];
  for (let i = 0; i <= rig.options.pairs; i++) {
    rig.options.progress(`${name}: slice ${i} of ${rig.options.pairs}`);
    samples.push(await take());
  }
  return summarise(samples.slice(1));
};

const aim = ({ load, fleet }: Rig, requests: string[]) =>
  load.ask('aim', { target: { host: '127.0.0.1', port: fleet.port }, requests });

const measureFixed = async (rig: Rig, name: string, requests: string[]): Promise<Measured> => {
  await aim(rig, requests);
  const run = () => rig.load.ask('closed', { connections, settleMs: 0, windowMs: sliceMs });
  return repeat(rig, name, () => sample(rig, run));
};

const measureRefresh = async (rig: Rig, pairs: readonly Pair[]): Promise<Measured> => {
  let tokens = pairs.map(({ refresh }) => refresh);
  return repeat(rig, 'refresh', async () => {
    const form = { grant_type: 'refresh_token', client_id: 'floodgate' };
    await aim(
      rig,
      tokens.map((refresh_token) => formRequest('/oauth/token', { ...form, refresh_token })),
    );
    let bodies: string[] = [];
    const taken = await sample(rig, async () => {
      const whole = { settleMs: 0, windowMs: 60_000, limit: tokens.length, keepBodies: true };
      const slice = await rig.load.ask('closed', { connections, ...whole });
      bodies = slice.bodies;
      return slice;
    });
    tokens = bodies.map((body) => parsePair(body).refresh);
    return taken;
  });
};

const measureAll = async (rig: Rig, crowd: Peer<ClosedLoopCalls>) => {
  const { fleet, options } = rig;
  options.progress(`signing in ${tokenCount} users`);
  const users = await createUsers(fleet, tokenCount);
  const target = { host: '127.0.0.1', port: fleet.port };
  await crowd.ask('aim', { target, requests: loginRequests(users) });
  const pairs = await signInAll(crowd, 2, tokenCount);
  const client = await addClient(fleet);
  const credentials = formRequest('/oauth/token', { grant_type: 'client_credentials' }, client);
  const introspections = pairs.map(({ access }) =>
    formRequest('/oauth/introspect', { token: access }, client),
  );
  return {
    client_credentials: await measureFixed(rig, 'client_credentials', [credentials]),
    introspect: await measureFixed(rig, 'introspect', introspections),
    refresh: await measureRefresh(rig, pairs),
  };
};

export const measureOauth = async (
  options: Options,
): Promise<Record<(typeof endpoints)[number], Measured>> => {
  options.progress('starting');
  const { profile } = options;
  const fleet = await startFleet({ nodes: 1, threadsPerNode: 1, edges: 1, profile });
  const load = startPeer<ClosedLoopCalls>('closed-loop.ts');
  const crowd = startPeer<ClosedLoopCalls>('closed-loop.ts');
  try {
    const pidOf = (wanted: string) =>
      fleet.processes().find(({ kind }) => kind === wanted)?.pid ?? 0;
    const rig = { fleet, load, edge: pidOf('edges'), redis: pidOf('redis'), options };
    return await measureAll(rig, crowd);
  } finally {
    await Promise.all([load.stop(), crowd.stop()]);
    await fleet.stop();
  }
};
