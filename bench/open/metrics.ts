/** The fleet's own counters, read from the admin port as a scraper does, and what they grew by. */
import type { Fleet } from '../fleet.js';

type Labels = Record<string, string>;
type Row = { name: string; labels: Labels; value: number };
/** Sum of all series of that name whose labels include these. */
type Sum = (name: string, labels?: Labels) => number;
/** `edges`: by what they are called in the label of that name. */
export type Metrics = Sum & { edges: readonly string[] };

const readLabels = (text: string): Labels =>
  Object.fromEntries(
    [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );

const readRow = (line: string): Row[] => {
  const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
  return name === '' ? [] : [{ name, labels: readLabels(labels), value: Number(value) }];
};

const includes = (labels: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value);

const prefix = 'floodgate_';
/** The admin child has the label of an edge, and forwards nothing. */
const admin = 'admin';

export const readMetrics = async (fleet: Pick<Fleet, 'admin'>): Promise<Metrics> => {
  const { text } = await fleet.admin('GET', '/metrics');
  const rows = text.split('\n').flatMap(readRow);
  const sum: Sum = (name, labels = {}) =>
    rows.reduce(
      (sum, row) =>
        row.name === prefix + name && includes(row.labels, labels) ? sum + row.value : sum,
      0,
    );
  const found = new Set(rows.flatMap(({ labels: { edge } }) => edge ?? []));
  return Object.assign(sum, { edges: [...found].filter((edge) => edge !== admin) });
};

/** Counters since an earlier reading. */
export const growth = (before: Metrics, after: Metrics): Metrics => {
  const grown: Sum = (name, labels) => after(name, labels) - before(name, labels);
  return Object.assign(grown, { edges: after.edges });
};

/** Of several growths of the same fleet. */
export const total = (parts: readonly Metrics[]): Metrics => {
  const sum: Sum = (name, labels) => parts.reduce((all, part) => all + part(name, labels), 0);
  return Object.assign(sum, { edges: parts.at(-1)?.edges ?? [] });
};

/** Attempts at nodes per request that was sent to one. */
export const attemptsPerRequest = (grown: Metrics): number => {
  const forwards = grown('node_forwards_total');
  return forwards / Math.max(1, forwards - grown('node_retries_total'));
};
