/** The fleet's own counters, read from the admin port as a scraper does, and what they grew by. */
import type { Fleet } from '../fleet.js';

type Labels = Record<string, string>;
type Row = { name: string; labels: Labels; value: number };
/** Sum of all series of that name whose labels include these. */
export type Metrics = (name: string, labels?: Labels) => number;

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

export const readMetrics = async (fleet: Fleet): Promise<Metrics> => {
  const text = await fleet.admin('GET', '/metrics');
  const rows = text.split('\n').flatMap(readRow);
  return (name, labels = {}) =>
    rows.reduce(
      (sum, row) =>
        row.name === prefix + name && includes(row.labels, labels) ? sum + row.value : sum,
      0,
    );
};

/** Counters since an earlier reading. */
export const growth =
  (before: Metrics, after: Metrics): Metrics =>
  (name, labels) =>
    after(name, labels) - before(name, labels);
