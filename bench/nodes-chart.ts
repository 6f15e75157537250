/** The picture of the nodes bench: cost of a login, throughput and latency by number of nodes. */
import { drawChart, type Panel } from './chart.js';
import type { Run } from './nodes-measure.js';
import { lowPerSecond, standIn } from './nodes-measure.js';

type Counted = { nodes: number; low: Run; full: Run };

const barsOf = (all: readonly Counted[], pick: (counted: Counted) => number) =>
  all.map((counted) => ({
    label: `${counted.nodes} node${counted.nodes === 1 ? '' : 's'}`,
    values: [pick(counted)],
  }));

export const drawNodes = (all: readonly Counted[]): string => {
  const panel = (title: string, axis: string, pick: (counted: Counted) => number): Panel => ({
    title,
    axis,
    bars: barsOf(all, pick),
  });
  return drawChart({
    heading: 'What the gateway costs, by number of nodes',
    notes: [
      `Stand-in nodes: ${standIn.slots} slots of ${standIn.serviceMs} ms, a timer instead of a hash; one edge process alone on a core`,
      'Whole logins: limits, choice of the node, forward, verdict, session, signature',
    ],
    panels: [
      panel(
        `CPU time of the edge at ${lowPerSecond} logins/s`,
        'CPU microseconds per login',
        ({ low }) => low.edgeUs,
      ),
      panel(
        'CPU time of the edge, as fast as it goes',
        'CPU microseconds per login',
        ({ full }) => full.edgeUs,
      ),
      panel(
        'Throughput of one edge process',
        'logins per second, closed loop',
        ({ full }) => full.perSecond,
      ),
      panel(
        `p99 at ${lowPerSecond} logins/s`,
        `milliseconds from the intended time, ${standIn.serviceMs} of them in the stand-in`,
        ({ low }) => low.p99Ms,
      ),
    ],
  });
};
