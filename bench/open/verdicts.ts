/**
 * What the logs prove after a bench with faults: which attempts were executed by more than one node,
 * with which results, and whether any request was audited twice. Nodes log a verdict line per
 * executed attempt at level debug, where each line is written before its answer: a killed node leaves
 * those of all that it had answered.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Proof = {
  attempts: number;
  /** Executed by two nodes, which a login may be (it writes nothing), and a registration that finds its own write. */
  repeated: number;
  /** Executed by two nodes with two results, which nothing may be. */
  contradicted: number;
  /** Sign-ins in the audit, and requests that stand there twice. */
  audited: number;
  auditedTwice: number;
  /** Account of each of them, by request. */
  accounts: ReadonlyMap<unknown, unknown>;
  /** Lines at level error or above, and lines that are no JSON. */
  errors: string[];
};
type Line = Record<string, unknown>;

const errorLevel = 50;

const parse = (text: string): Line | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
};

/** Lines of all logs of a fleet; the last line of a killed process may be cut off. */
const readLines = (dir: string): { line: Line | undefined; text: string }[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1))
    .map((text) => ({ line: parse(text), text }));

const isError = ({ level }: Line): boolean =>
  level === 'error' || level === 'fatal' || Number(level) >= errorLevel;

const countTwice = (ids: readonly unknown[]): number => ids.length - new Set(ids).size;

export const readProof = (dir: string): Proof => {
  const lines = readLines(dir);
  const outcomes = new Map<unknown, unknown[]>();
  const audits: unknown[] = [];
  const accounts = new Map<unknown, unknown>();
  const errors: string[] = [];
  for (const { line, text } of lines) {
    if (line === undefined || isError(line)) errors.push(text.slice(0, 300));
    else if (line.msg === 'verdict')
      outcomes.set(line.attempt_id, [...(outcomes.get(line.attempt_id) ?? []), line.outcome]);
    else if (line.audit === 'login' && line.outcome === 'ok') {
      audits.push(line.request_id);
      accounts.set(line.request_id, line.account);
    }
  }
  const repeated = [...outcomes.values()].filter((found) => found.length > 1);
  return {
    attempts: outcomes.size,
    repeated: repeated.length,
    contradicted: repeated.filter((found) => new Set(found).size > 1).length,
    audited: audits.length,
    auditedTwice: countTwice(audits),
    accounts,
    errors,
  };
};
