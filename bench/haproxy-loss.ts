/**
 * The part of the haproxy bench in which one of the nodes is lost: killed, whose connections close, or
 * stopped, whose connections stay open and are never answered. Each way gets fresh nodes each time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetNode } from './fleet-nodes.js';
import { nodeCount, type Rig } from './haproxy-rig.js';
import { type ByWay, inTurn, mapWays } from './haproxy-ways.js';
import type { Sample } from './open/generator.js';
import { countCodes, isServed, latencies } from './open/samples.js';
import type { Options } from './report.js';
import { percentile } from './stats.js';

/** Of capacity: the other two nodes can do it alone. */
export const lossLoad = 0.6;
export const lossRounds = 2;
/** How far into its run the node is lost. */
const lostAt = 0.4;

type LossName = 'kill -9' | 'SIGSTOP';
type Outcome = {
  sent: number;
  failed: number;
  codes: Record<string, number>;
  p99Ms: number;
  maxMs: number;
};
export type Loss = { name: LossName; found: ByWay<Outcome> };

const lose: Record<LossName, (rig: Rig, node: FleetNode) => Promise<unknown>> = {
  'kill -9': (rig, node) => rig.fleet.nodes.kill(node),
  // Goes on when the next nodes take its place.
  SIGSTOP: async (_rig, node) => node.child.kill('SIGSTOP'),
};
const names: LossName[] = ['kill -9', 'SIGSTOP'];

const outcomeOf = (samples: readonly Sample[]): Outcome => {
  const served = latencies(samples.filter(isServed));
  return {
    sent: samples.length,
    failed: samples.length - served.length,
    codes: countCodes(samples),
    p99Ms: percentile(served, 0.99),
    maxMs: percentile(served, 1),
  };
};

/** `peak`: logins per second that the three nodes can do. */
export const measureLosses = async (rig: Rig, options: Options, peak: number): Promise<Loss[]> => {
  const durationMs = options.durationSeconds * 500;
  const losses: Loss[] = [];
  for (const name of names) {
    const samples = mapWays((): Sample[] => []);
    await inTurn(lossRounds, async (way) => {
      options.progress(`${name} of one of ${nodeCount} nodes: ${way}`);
      await rig.renew();
      const running = rig.loads[way].run({ phases: [{ perSecond: lossLoad * peak, durationMs }] });
      await sleep(lostAt * durationMs);
      const [victim] = rig.fleet.nodes.all();
      if (victim !== undefined) await lose[name](rig, victim);
      samples[way].push(...(await running).samples);
    });
    losses.push({ name, found: mapWays((way) => outcomeOf(samples[way])) });
  }
  return losses;
};
