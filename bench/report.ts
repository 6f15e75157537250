/**
 * What every bench hands back, and how it is shown: a table for people, one JSON object for programs.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Interval } from './stats.js';

export type Options = {
  nodes: number[];
  /** Of the uninterrupted run, where a bench has one. */
  durationSeconds: number;
  /** Of the soak. */
  minutes?: number;
  /** Of the file that is imported. */
  rows?: number;
  /** Of revocations. */
  count?: number;
  pairs: number;
  profile?: string;
  progress: (text: string) => void;
};
export type Criterion = { name: string; target: string; measured: number; pass: boolean };
export type Row = string[];
export type Report = {
  parameters: Record<string, unknown>;
  results: Record<string, unknown>;
  criteria: Criterion[];
  /** Others used the machine so much that the ratios are not to be trusted. Of comparisons. */
  isNoisy?: boolean;
  tables: { title: string; head: Row; rows: Row[] }[];
  /** A whole SVG document. */
  chart: string;
};
export type Bench = {
  about: string;
  /** Node counts unless others are asked for. */
  nodes?: number[];
  run: (options: Options) => Promise<Report>;
};

export const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** At least `target`; judged by the median, the interval stands beside it in the results. */
export const atLeast = (name: string, measured: number, target: number): Criterion => ({
  name,
  target: `≥ ${target}`,
  measured: round(measured),
  pass: measured >= target,
});

export const atMost = (name: string, measured: number, target: number): Criterion => ({
  name,
  target: `≤ ${round(target, 2)}`,
  measured: round(measured),
  pass: measured <= target,
});

export const showInterval = ({ median, low, high }: Interval): string =>
  `${median.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;

export const roundInterval = ({ median, low, high, count }: Interval) => ({
  median: round(median),
  low: round(low),
  high: round(high),
  pairs: count,
});

type Noise = { dropped: number; isNoisy: boolean };

export const describeNoise = ({ dropped, isNoisy }: Noise) => ({
  dropped_pairs: dropped,
  noisy: isNoisy,
});

export const showNoise = ({ dropped, isNoisy }: Noise): string =>
  isNoisy ? 'noisy!' : String(dropped);

const git = (root: string, ...words: string[]): string => {
  try {
    return execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
};

export const describeMachine = () => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memory_gib: round(totalmem() / 2 ** 30, 1),
  kernel: release(),
  load_before: round(loadavg()[0] ?? 0, 2),
});

const packages = ['piscina', '@node-rs/argon2', 'argon2', 'http-proxy', 'ioredis', 'jose', 'pino'];

const packageVersion = (root: string, name: string): string => {
  const text = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8');
  return String(JSON.parse(text).version);
};

export const describeVersions = (root: string) => ({
  commit: git(root, 'describe', '--always', '--dirty'),
  node: process.version,
  ...Object.fromEntries(packages.map((name) => [name, packageVersion(root, name)])),
});

const pad = (cells: Row, widths: number[]): string =>
  cells
    .map((cell, i) => {
      const width = widths[i] ?? 0;
      return i === 0 ? cell.padEnd(width) : cell.padStart(width);
    })
    .join('  ')
    .trimEnd();

const formatTable = ({ title, head, rows }: Report['tables'][number]): string => {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [title, pad(head, widths), rule, ...rows.map((row) => pad(row, widths)), ''].join('\n');
};

export const formatReport = (report: Pick<Report, 'tables' | 'criteria' | 'isNoisy'>): string => {
  const criteria = {
    title: 'Promises',
    head: ['promise', 'target', 'measured', ''],
    rows: report.criteria.map((c) => [c.name, c.target, String(c.measured), c.pass ? '✓' : '✗']),
  };
  const tables = report.criteria.length > 0 ? [...report.tables, criteria] : report.tables;
  const warning = report.isNoisy
    ? '\nOther programs kept the cores busy: no pair of slices was undisturbed, run it again.\n'
    : '';
  return tables.map(formatTable).join('\n') + warning;
};
