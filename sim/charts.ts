/** The pictures: latency and affinity against load, goodput against what is offered. */
import { type CurvePanel, drawCurves } from './curves.js';
import { overloadMultiples } from './overload.js';
import { policyLabels, policyNames } from './policies.js';
import type { Simulated, Summary } from './simulate.js';
import { chartLoads } from './steady.js';

/** One curve per rule, over the variants named "RULE X". */
const panelOf = (
  { summaries }: Simulated,
  xs: readonly number[],
  shape: Omit<CurvePanel, 'curves'>,
  value: (summary: Summary) => number,
): CurvePanel => ({
  ...shape,
  curves: policyNames.map((policy) => ({
    label: policyLabels[policy],
    points: xs.flatMap((x) => {
      const summary = summaries.find(({ variant }) => variant === `${policy} ${x}`);
      return summary === undefined ? [] : [[x, value(summary)] as const];
    }),
  })),
});

const drawSteady = (steady: Simulated): string => {
  const xAxis = 'offered load, share of what the nodes can do';
  return drawCurves({
    heading: 'Where logins go, and how long they take',
    notes: ['8 nodes of 4 slots, 4 edges, 22 ms per hash; virtual time, all seeds together'],
    panels: [
      panelOf(
        steady,
        chartLoads,
        { title: '99th percentile', xAxis, yAxis: 'milliseconds' },
        ({ p99Ms }) => p99Ms,
      ),
      panelOf(
        steady,
        chartLoads,
        { title: "Sent to the account's own node", xAxis, yAxis: 'percent', maxY: 100 },
        ({ affinity }) => 100 * affinity,
      ),
    ],
  });
};

const drawOverload = (overload: Simulated): string => {
  const xAxis = 'offered load, multiples of what the nodes can do';
  const shape = { xAxis, isOrdinal: true };
  return drawCurves({
    heading: 'More than there is room for',
    notes: [
      '4 nodes of 4 slots, 2 edges, 22 ms per hash; the same admission under every rule',
      'Refusals by nodes: each has crossed the network and was tried once more elsewhere',
    ],
    panels: [
      panelOf(
        overload,
        overloadMultiples,
        { ...shape, title: 'Answered in time', yAxis: 'percent of capacity', maxY: 105 },
        ({ goodput }) => 100 * goodput,
      ),
      panelOf(
        overload,
        overloadMultiples,
        { ...shape, title: '99th percentile of the admitted', yAxis: 'milliseconds' },
        ({ p99Ms }) => p99Ms,
      ),
      panelOf(
        overload,
        overloadMultiples,
        { ...shape, title: 'Refusals by nodes', yAxis: 'percent of the offered' },
        ({ refusedByNodes }) => 100 * refusedByNodes,
      ),
    ],
  });
};

/** File name → SVG, for the scenarios that ran. */
export const drawCharts = (all: readonly Simulated[]): Record<string, string> => {
  const find = (name: string) => all.find((one) => one.name === name);
  const [steady, overload] = [find('steady'), find('overload')];
  return {
    ...(steady === undefined ? {} : { 'steady.svg': drawSteady(steady) }),
    ...(overload === undefined ? {} : { 'overload.svg': drawOverload(overload) }),
  };
};
