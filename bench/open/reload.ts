/** The reload bench: does anybody notice that edges are reloaded and nodes are replaced? */
import { drawChart } from '../chart.js';
import { linePanel } from '../chart-lines.js';
import { atMost, type Bench, round } from '../report.js';
import type { Sample } from './generator.js';
import { drainLabel, load, measureReload, type ReloadResult, type Step } from './reload-measure.js';
import { countCodes, isServed, latencies, series, showCodes, summarise } from './samples.js';

const stepMs = 1000;
const drainTargetMs = 1500;

const describe = (samples: readonly Sample[]) => {
  const end = samples.reduce((last, { at }) => Math.max(last, at), 0) + 1;
  const { sent, ok, p50Ms, p99Ms } = summarise(samples, { fromMs: 0, toMs: end });
  return {
    sent,
    failed: sent - ok,
    codes: countCodes(samples),
    p50_ms: round(p50Ms, 1),
    p99_ms: round(p99Ms, 1),
    slowest_ms: round(Math.max(...latencies(samples)), 1),
  };
};

/** Failures by what was going on when the request was due. */
const blame = ({ steps, samples }: ReloadResult): Record<string, number> => {
  const blamed: Record<string, number> = {};
  for (const sample of Object.values(samples).flat()) {
    if (isServed(sample)) continue;
    const step = steps.findLast(({ at }) => at <= sample.at);
    const label = `${step?.label ?? 'before'}: ${sample.code}`;
    blamed[label] = (blamed[label] ?? 0) + 1;
  }
  return blamed;
};

const stepRows = (steps: readonly Step[]): string[][] => {
  const labels = [...new Set(steps.map(({ label }) => label))];
  return labels.map((label) => {
    const took = steps.filter((step) => step.label === label).map(({ tookMs }) => tookMs);
    const mean = took.reduce((sum, ms) => sum + ms, 0) / took.length;
    return [label, String(took.length), mean.toFixed(0), Math.max(...took).toFixed(0)];
  });
};

const panelOf = (name: string, samples: readonly Sample[], steps: readonly Step[]) => {
  const seconds = series(samples, stepMs);
  const points = (pick: (step: (typeof seconds)[number]) => number) =>
    seconds.map((step) => ({ x: step.fromMs / 1000, y: pick(step) }));
  return linePanel({
    title: `${name}: latency, and requests that failed`,
    axis: 'ms (p99, p50); failed per second',
    lines: [
      { name: 'p99', points: points((step) => step.p99Ms) },
      { name: 'p50', points: points((step) => step.p50Ms) },
      { name: 'failed', points: points((step) => step.sent - step.ok) },
    ],
    marks: steps.map(({ at, label }) => ({ x: at / 1000, label: label === 'edges' ? 'e' : 'n' })),
  });
};

export const reload: Bench = {
  about: 'edges reloaded and nodes replaced under clients that never retry: errors of any kind',
  run: async (options) => {
    const found = await measureReload(options);
    const { perSecond, steps, samples } = found;
    const clients = Object.entries(samples);
    const failed = clients.flatMap(([, of]) => of).filter((sample) => !isServed(sample)).length;
    const edgeReloads = steps.filter(({ label }) => label === 'edges').length;
    const drains = steps.filter(({ label }) => label === drainLabel).map(({ tookMs }) => tookMs);
    const replaced = steps.length - edgeReloads - drains.length;
    return {
      parameters: {
        load,
        nodes: 3,
        edge_reloads: edgeReloads,
        node_replacements: replaced,
        node_drains: drains.length,
      },
      results: {
        offered: round(perSecond, 1),
        clients: Object.fromEntries(clients.map(([name, of]) => [name, describe(of)])),
        failed_during: blame(found),
        drained_ms: drains.map((ms) => round(ms, 0)),
      },
      criteria: [
        atMost('errors of any kind', failed, 0),
        atMost('a drained node is empty after, slowest, ms', Math.max(...drains), drainTargetMs),
      ],
      tables: [
        {
          title: `${edgeReloads} edge reloads, ${replaced} node replacements, ${drains.length} drains at ${perSecond.toFixed(0)} logins/s`,
          head: ['clients', 'sent', 'failed', 'p50 ms', 'p99 ms', 'slowest ms', 'codes'],
          rows: clients.map(([name, of]) => {
            const row = describe(of);
            const figures = [row.sent, row.failed, row.p50_ms, row.p99_ms, row.slowest_ms];
            return [name, ...figures.map(String), showCodes(row.codes)];
          }),
        },
        { title: 'Steps', head: ['', 'times', 'mean ms', 'slowest'], rows: stepRows(steps) },
        {
          title: 'Failures by the step they fell into',
          head: ['', 'failed'],
          rows: Object.entries(blame(found)).map(([label, count]) => [label, String(count)]),
        },
      ],
      chart: drawChart({
        heading: 'Reloads',
        notes: ['e: edges reloaded; n: a node replaced or drained. Clients never retry.'],
        panels: clients.map(([name, of]) => panelOf(name, of, steps)),
      }),
    };
  },
};
