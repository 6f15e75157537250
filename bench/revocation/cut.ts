/**
 * The revocation log is cut off from all edges while everything else goes on: sessions end, the answers
 * say so, and no other edge can hear of it. What does each edge say meanwhile, and what once the log is back?
 * VERIFY_ON_STORE_LOSS is the rule: `allow:30s` = what was known stays good for 30 s, `deny` = nobody can
 * say any more after 1 s.
 */
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeRig, openRig, type Rig } from '../open/rig.js';
import type { Redis } from '../redis.js';
import type { Options } from '../report.js';
import { forwardedLogins, verifyRequests } from '../users.js';
import { type Edge, openEdges } from './edges.js';
import { insist, revokeFamily, type SignedIn, signIn } from './kinds.js';
import { edgeCount, warm } from './measure.js';
import { openWay, type Way } from './way.js';

export const rules = ['allow:30s', 'deny'] as const;
export type Rule = (typeof rules)[number];
export const sizes = { cutMs: 10_000, revocations: 50, afterMs: 2000, warmUpMs: 1000 };
export type Sizes = typeof sizes;

/** `at`, `answeredAt`: milliseconds since the cut. */
export type Asked = { at: number; answeredAt: number; token: 'live' | 'revoked'; status: number };
export type CutResult = {
  rule: Rule;
  revoked: number;
  asked: Asked[];
  /** When the way was open again, and when every edge had an answer from the log. */
  mendedAt: number;
  backAt: number;
};

const pauseMs = 3;
const patienceMs = 15_000;

/** Asks one edge about a living and a revoked token in turn, until told to stop. */
const askInTurn = async (given: {
  edge: Edge;
  live: string;
  revoked: readonly string[];
  asked: Asked[];
  cutAt: number;
  isOver: () => boolean;
}) => {
  const { edge, live, revoked, asked, cutAt, isOver } = given;
  const ask = async (token: Asked['token'], check: string) => {
    const at = performance.now() - cutAt;
    const { status } = await edge.check(check);
    asked.push({ at, answeredAt: performance.now() - cutAt, token, status });
  };
  for (let turn = 0; !isOver(); turn++) {
    await ask('live', live);
    const check = revoked[turn % Math.max(1, revoked.length)];
    if (check !== undefined) await ask('revoked', check);
    await sleep(pauseMs);
  }
};

const endAll = async (
  edges: readonly Edge[],
  sessions: readonly SignedIn[],
  { cutMs }: Sizes,
  onEnded: (session: SignedIn) => void,
) => {
  const from = performance.now();
  for (const [i, session] of sessions.entries()) {
    const dueAt = from + ((i + 0.5) * cutMs) / sessions.length;
    await sleep(Math.max(0, dueAt - performance.now()));
    const edge = edges[i % edges.length];
    if (edge === undefined) throw new Error('there is no edge');
    await insist(edge, revokeFamily(session));
    onEnded(session);
  }
  await sleep(Math.max(0, from + cutMs - performance.now()));
};

const untilBack = (way: Way): Promise<void> =>
  Promise.race([
    way.mendLog(edgeCount),
    sleep(patienceMs, undefined, { ref: false }).then(() => {
      throw new Error('the log was not read again');
    }),
  ]);

const cut = async (rig: Rig, way: Way, rule: Rule, its: Sizes): Promise<CutResult> => {
  const edges = await openEdges(rig.fleet);
  const [first] = edges;
  if (first === undefined) throw new Error('there is no edge');
  const sessions: SignedIn[] = [];
  for (const login of forwardedLogins(rig.users)) sessions.push(await signIn(first, login));
  const checkOf = ({ access }: SignedIn): string => verifyRequests([access])[0] ?? '';
  const [kept, ...victims] = sessions;
  if (kept === undefined) throw new Error('nobody is signed in');
  for (const session of sessions) await warm(edges, checkOf(session));

  rig.options.progress(`${rule}: the log is cut for ${its.cutMs / 1000} s`);
  const revoked: string[] = [];
  const asked: Asked[] = [];
  let isOver = false;
  way.cutLog();
  const cutAt = performance.now();
  const given = { live: checkOf(kept), revoked, asked, cutAt, isOver: () => isOver };
  const asking = Promise.all(edges.map((edge) => askInTurn({ ...given, edge })));
  try {
    await endAll(edges, victims, its, (session) => revoked.push(checkOf(session)));
    const mendedAt = performance.now() - cutAt;
    await untilBack(way);
    const backAt = performance.now() - cutAt;
    await sleep(its.afterMs);
    return { rule, revoked: revoked.length, asked, mendedAt, backAt };
  } finally {
    isOver = true;
    await asking.finally(() => edges.map(({ close }) => close()));
  }
};

export const measureCut = async (
  options: Options,
  rule: Rule,
  its: Sizes = sizes,
): Promise<CutResult> => {
  let way: Way | undefined;
  const wayTo = async ({ url }: Redis): Promise<string> => {
    const to = new URL(url).pathname;
    const path = join(dirname(to), 'way.sock');
    way = await openWay(path, to);
    return `unix://localhost${path}`;
  };
  try {
    const rig = await openRig(options, {
      ...{ nodes: 1, threadsPerNode: 2, edges: edgeCount, warmUpMs: its.warmUpMs, wayTo },
      users: its.revocations + 1,
      gatewayEnv: { VERIFY_ON_STORE_LOSS: rule },
    });
    try {
      if (way === undefined) throw new Error('the gateway has another way to Redis');
      return await cut(rig, way, rule, its);
    } finally {
      await closeRig(rig);
    }
  } finally {
    way?.close();
  }
};
