/**
 * The measuring behind the reload bench: edges are reloaded, nodes replaced in every order, drained and put
 * back, one after the other, under clients that keep their connections and clients that do not. Nobody
 * retries.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from '../pacer.js';
import type { Options } from '../report.js';
import { forwardedLogins } from '../users.js';
import type { Sample } from './generator.js';
import { createLoad, type Load } from './load.js';
import { clientsPerSlot, closeRig, openRig, type Rig } from './rig.js';

/** Starting a process takes a core for most of a second, and there are two. */
export const load = 0.35;
export const sizes = { reloads: 12, replacements: 8, drains: 4, users: 1000, warmUpMs: 10_000 };
export type Sizes = typeof sizes;
const edges = 2;
const betweenMs = 500;
const reloadBoundMs = 30_000;
/** Longer than an edge takes to read the registry again (500 ms). */
const emptyMs = 700;
export const drainLabel = 'node, drained until empty';

export type Step = { at: number; label: string; tookMs: number };
export type Clients = 'kept-alive' | 'connection per request';
export type ReloadResult = {
  perSecond: number;
  steps: Step[];
  samples: Record<Clients, Sample[]>;
};
/** `run` resolves to the ms that it took. */
type Act = { label: string; run: (rig: Rig) => Promise<number> };

const timed = (run: (rig: Rig) => Promise<void>) => async (rig: Rig) => {
  const at = nowMs();
  await run(rig);
  return nowMs() - at;
};

const edgePids = ({ fleet }: Rig): number[] =>
  fleet.processes().flatMap(({ kind, pid }) => (kind === 'edges' ? [pid] : []));

/** Counts finished reloads: the admin child comes last, and until then another one is ignored. */
const countReloads = ({ fleet }: Rig): number =>
  readFileSync(join(fleet.dir, 'gateway.log'), 'utf8').split('"reload ended"').length - 1;

/** Resolves when the gateway says so; throws when an edge is still the old one. */
const reloadEdges = async (rig: Rig) => {
  const old = new Set(edgePids(rig));
  const before = countReloads(rig);
  process.kill(rig.fleet.gatewayPid, 'SIGHUP');
  for (const until = nowMs() + reloadBoundMs; countReloads(rig) === before; await sleep(100))
    if (nowMs() > until) throw new Error(`no reload in ${reloadBoundMs / 1000} s`);
  if (edgePids(rig).some((pid) => old.has(pid))) throw new Error('an edge was not reloaded');
};

const oldest = ({ fleet }: Rig) => {
  const node = fleet.nodes.all()[0];
  if (node === undefined) throw new Error('there is no node');
  return node;
};

const replaceNode = (order: 'old first' | 'new first', keepsId: boolean): Act => ({
  label: `node, ${order}, ${keepsId ? 'same' : 'new'} id`,
  run: timed(async (rig) => {
    const { nodes } = rig.fleet;
    const old = oldest(rig);
    const start = () => nodes.start({ threads: 1, ...(keepsId ? { id: old.id } : {}) });
    if (order === 'new first') await start();
    await nodes.leave(old);
    if (order === 'old first') await start();
  }),
});

const replacements: Act[] = [
  replaceNode('old first', true),
  replaceNode('new first', true),
  replaceNode('old first', false),
  replaceNode('new first', false),
];

/** Resolves to the ms from the command until the last login there was done; the node is put back. */
const drainNode: Act = {
  label: drainLabel,
  run: async (rig) => {
    const { admin } = rig.fleet;
    const { id } = oldest(rig);
    const isEmpty = async () => {
      const { nodes } = JSON.parse((await admin('GET', '/nodes')).text);
      return nodes.find((node: { id: string }) => node.id === id).inflight === 0;
    };
    const askedAt = nowMs();
    await admin('POST', `/nodes/${id}/drain`);
    let emptySince = nowMs();
    for (; nowMs() - emptySince < emptyMs; await sleep(10))
      if (!(await isEmpty())) emptySince = nowMs();
    await admin('POST', `/nodes/${id}/undrain`);
    return emptySince - askedAt;
  },
};

const act = async (rig: Rig, { label, run }: Act, steps: Step[]) => {
  rig.options.progress(label);
  const at = nowMs();
  steps.push({ at, label, tookMs: await run(rig) });
  await sleep(betweenMs);
};

const actsOf = ({ reloads, replacements: count, drains }: Sizes): Act[] => [
  ...Array.from({ length: reloads }, () => ({ label: 'edges', run: timed(reloadEdges) })),
  ...Array.from({ length: count }, (_, i) => replacements[i % replacements.length]).flatMap(
    (found) => found ?? [],
  ),
  ...Array.from({ length: drains }, () => drainNode),
];

const runAll = async (rig: Rig, closing: Load, its: Sizes): Promise<ReloadResult> => {
  const { options, slots } = rig;
  const capacity = await rig.load.capacity(clientsPerSlot * slots, options.durationSeconds * 500);
  await sleep(1000);
  const perSecond = load * capacity;
  const phases = [{ perSecond: perSecond / 2, durationMs: 600_000 }];
  const [kept, single] = [rig.load.run({ phases }), closing.run({ phases, closing: true })];
  const steps: Step[] = [];
  await sleep(1000);
  for (const next of actsOf(its)) await act(rig, next, steps);
  await Promise.all([rig.load.endRun(), closing.endRun()]);
  const [keptRun, singleRun] = await Promise.all([kept, single]);
  return {
    perSecond,
    steps: steps.map((step) => ({ ...step, at: step.at - keptRun.startedAt })),
    samples: { 'kept-alive': keptRun.samples, 'connection per request': singleRun.samples },
  };
};

export const measureReload = async (options: Options, its = sizes): Promise<ReloadResult> => {
  const { users, warmUpMs } = its;
  const rig = await openRig(options, { nodes: 3, threadsPerNode: 1, edges, users, warmUpMs });
  const target = { host: '127.0.0.1', port: rig.fleet.port };
  const closing = await createLoad({ target, groups: { all: forwardedLogins(rig.users) } });
  try {
    return await runAll(rig, closing, its);
  } finally {
    await closing.stop();
    await closeRig(rig);
  }
};
