/**
 * The measuring behind the revocation bench: tokens that every edge has in its cache are ended, one
 * after the other, beside logins and token checks; from the moment of the answer each edge is asked
 * without a pause, over a connection of its own, until it refuses.
 */
import { createLoad, type Load } from '../open/load.js';
import { closeRig, measureCapacity, openRig, type Rig } from '../open/rig.js';
import { summarise } from '../open/samples.js';
import type { Options } from '../report.js';
import { forwardedLogins, verifyRequests } from '../users.js';
import { type Edge, openEdges } from './edges.js';
import { insist, type Kind, kinds, signIn } from './kinds.js';

export const loads = { ofCapacity: 0.4, checksPerSecond: 300 };
export const sizes = { count: 1000, users: 300, tokens: 50, warmUpMs: 10_000, capacityMs: 5000 };
export type Sizes = typeof sizes;
export const edgeCount = 2;
/** What goes wrong must not be asked for ever. */
const patienceMs = 10_000;

/** Milliseconds from the answer to the first refusal, and checks it took, of each edge. */
export type Sight = { kind: Kind; edges: { ms: number; checks: number }[] };
type Visibility = {
  capacity: number;
  sights: Sight[];
  /** Checks of tokens that had been refused before and were not any more. */
  revived: number;
  background: Record<string, ReturnType<typeof summarise>>;
};

export const warm = async (edges: readonly Edge[], check: string) => {
  for (const edge of edges)
    for (const ask of [edge.check, edge.act]) {
      const { status, text } = await ask(check);
      if (status !== 200) throw new Error(`a new token is refused: ${text}`);
    }
};

const untilRefused = async (edge: Edge, check: string, answeredAt: number) => {
  for (let checks = 1; ; checks++) {
    const { status } = await edge.check(check);
    const ms = performance.now() - answeredAt;
    if (status === 401) return { ms, checks };
    if (ms > patienceMs)
      throw new Error(`a revoked token gets ${status} after ${ms.toFixed(0)} ms`);
  }
};

/** One revocation through `edges[0]`. */
const watchOne = async (edges: readonly Edge[], kind: Kind, login: string, password: string) => {
  const [via] = edges;
  if (via === undefined) throw new Error('there is no edge');
  const { sessions, end } = kinds[kind];
  const mine = await signIn(via, login);
  const other = sessions > 1 ? await signIn(via, login) : mine;
  const [check = ''] = verifyRequests([mine.access]);
  await warm(edges, check);
  await insist(via, end({ mine, other, password }));
  const answeredAt = performance.now();
  const seen = await Promise.all(edges.map((edge) => untilRefused(edge, check, answeredAt)));
  return { check, sight: { kind, edges: seen } };
};

const startBackground = async (rig: Rig, edge: Edge, { users, tokens }: Sizes): Promise<Load> => {
  const names = rig.users.names.slice(0, users);
  const logins = forwardedLogins({ ...rig.users, names });
  const access: string[] = [];
  for (const login of logins.slice(0, tokens)) access.push((await signIn(edge, login)).access);
  const target = { host: '127.0.0.1', port: rig.fleet.port };
  return createLoad({ target, groups: { logins, checks: verifyRequests(access) } });
};

const watchAll = async (rig: Rig, edges: readonly Edge[], its: Sizes) => {
  const all = rig.users.names;
  const logins = forwardedLogins(rig.users);
  const names = Object.keys(kinds).filter((name): name is Kind => name in kinds);
  const sights: Sight[] = [];
  const checks: string[] = [];
  for (let i = 0; i < its.count; i++) {
    rig.options.progress(`revocation ${i + 1} of ${its.count}`);
    const kind = names[i % names.length] ?? 'logout';
    const login = logins[all.length - its.count + i] ?? '';
    // Each kind through each edge in turn.
    const turn = Math.floor(i / names.length) % edges.length;
    const inTurn = [...edges.slice(turn), ...edges.slice(0, turn)];
    const { check, sight } = await watchOne(inTurn, kind, login, rig.users.password);
    sights.push(sight);
    checks.push(check);
  }
  return { sights, checks };
};

const countRevived = async (edges: readonly Edge[], checks: readonly string[]): Promise<number> => {
  let revived = 0;
  for (const check of checks)
    for (const edge of edges) if ((await edge.check(check)).status !== 401) revived++;
  return revived;
};

/** The arrivals in the background stop when the last revocation has been seen. */
const watchUnderLoad = async (
  rig: Rig,
  edges: readonly Edge[],
  load: Load,
  its: Sizes,
): Promise<Visibility> => {
  const capacity = await measureCapacity(rig, rig.slots, its.capacityMs);
  const perSecond = { logins: loads.ofCapacity * capacity, checks: loads.checksPerSecond };
  const total = perSecond.logins + perSecond.checks;
  const running = load.run({
    phases: [{ perSecond: total, durationMs: 3_600_000 }],
    mix: perSecond,
  });
  const { sights, checks } = await watchAll(rig, edges, its);
  const revived = await countRevived(edges, checks);
  await load.endRun();
  const { samples } = await running;
  const toMs = Math.max(1, ...samples.map(({ at }) => at));
  const background = Object.fromEntries(
    Object.keys(perSecond).map((name) => [
      name,
      summarise(
        samples.filter(({ group }) => group === name),
        { fromMs: 0, toMs },
      ),
    ]),
  );
  return { capacity, sights, revived, background };
};

export const measureVisibility = async (options: Options, its = sizes): Promise<Visibility> => {
  const rig = await openRig(options, {
    ...{ nodes: 1, threadsPerNode: 2, edges: edgeCount, warmUpMs: its.warmUpMs },
    users: its.users + its.count,
  });
  const closing: (() => unknown)[] = [() => closeRig(rig)];
  try {
    const edges = await openEdges(rig.fleet);
    const [edge] = edges;
    if (edge === undefined) throw new Error('there is no edge');
    closing.push(() => edges.map(({ close }) => close()));
    const load = await startBackground(rig, edge, its);
    closing.push(load.stop);
    return await watchUnderLoad(rig, edges, load, its);
  } finally {
    for (const close of closing.reverse()) await close();
  }
};
