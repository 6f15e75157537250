/**
 * A batch of lines of an import file: read, sent on as rows (send-rows.ts), one result per line. All of it
 * may be repeated.
 */
import { hash as digest } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import {
  type BatchHead,
  type BatchRow,
  isWarning,
  type RowResult,
} from '../../shared/import-batch.js';
import type { Accounts } from '../username.js';
import { createMarks } from './marks.js';
import { type Problem, problem, problemOf } from './problems.js';
import { type Defaults, type ReadRow, readImportRow } from './row.js';
import type { SendRows } from './send-rows.js';

export type BatchAsk = Omit<BatchHead, 'probe'> & {
  defaults: Defaults;
  /** Are the ids of all lines wanted? */
  ids: boolean;
  /** Of the one user whose password is known; checked where it is in this batch. */
  probe?: { id?: string; login?: string; password: string };
};
type LineResult = {
  line: number;
  id?: string;
  login?: string;
  ok: boolean;
} & Partial<Problem> & { also?: Problem[] };
type BatchAnswer = {
  ok: number;
  /** Of those, the accounts that may not sign in. */
  disabled: number;
  /** Of the lines with something to say, in order. */
  results: LineResult[];
  /** Ids of all lines, '' where there is none; nothing when they are not wanted. */
  ids: string[];
  /**
   * Of a dry run: eight bytes per line that tell accounts apart, and eight for ids; base64. Zero where
   * there is none.
   */
  prints: string;
  probe?: 'right' | 'wrong';
};
type Read = ReadRow & { line: number; found: RowResult | null };
type Good = Read & { row: BatchRow };

const isGood = (read: Read): read is Good => read.row !== undefined && read.problems.length === 0;

/** `17 {"login":…}` */
const splitLine = (text: string): { line: number; json: string } => {
  const space = text.indexOf(' ');
  const number = text.slice(0, space);
  if (!/^[1-9]\d{0,14}$/.test(number)) throw new AppError('bad_request', { reason: 'not_json' });
  return { line: Number(number), json: text.slice(space + 1) };
};

const problemsOf = ({ problems, found, row }: Read): Problem[] => {
  if (found?.found === undefined) return problems;
  const hash = row?.hash ?? null;
  return [...problems, ...found.found.map((each) => problemOf(each, hash, found))];
};

const hasFailed = ({ problems, found }: Read): boolean =>
  problems.length > 0 || (found !== null && (found.found ?? []).some((each) => !isWarning(each)));

const resultOf = (read: Read): LineResult[] => {
  if (read.problems.length === 0 && read.found === null) return [];
  const [first, ...also] = problemsOf(read);
  if (first === undefined) return [];
  const { line, id, login } = read;
  const known = { ...(id === undefined ? {} : { id }), ...(login === undefined ? {} : { login }) };
  return [{ line, ...known, ok: !hasFailed(read), ...first, ...(also.length > 0 ? { also } : {}) }];
};

const printsOf = (reads: readonly Read[]): string => {
  const bytes = Buffer.alloc(16 * reads.length);
  for (const [at, { row, id }] of reads.entries()) {
    // The account key is random bits already.
    if (row !== undefined) bytes.write(row.u.slice(0, 11), 16 * at, 8, 'base64url');
    if (id !== undefined) digest('sha256', id, 'buffer').copy(bytes, 16 * at + 8, 0, 8);
  }
  return bytes.toString('base64');
};

export const createBatch = ({
  accounts,
  sendRows,
  secret,
}: {
  accounts: Accounts;
  sendRows: SendRows;
  /** NODE_SECRET, the current one. */
  secret: string;
}) => {
  const names = { accounts, marks: createMarks(secret) };

  const read = (text: string, defaults: Defaults): Read => {
    const { line, json } = splitLine(text);
    return Object.assign(readImportRow(json, defaults, names), { line, found: null });
  };

  /** Where it is in this batch; -1: it is not. */
  const findProbe = (reads: readonly Good[], { id, login }: NonNullable<BatchAsk['probe']>) => {
    const u = login === undefined ? undefined : accounts(login).u;
    return reads.findIndex((each) => (u === undefined ? each.id === id : each.row.u === u));
  };

  /** Throws what nodes and store throw, and bad_request for a body that is no batch. */
  return async (lines: readonly string[], ask: BatchAsk): Promise<BatchAnswer> => {
    const { defaults, ids, probe, ...head } = ask;
    const reads = lines.map((text) => read(text, defaults));
    const sent = reads.filter(isGood);
    const at = probe === undefined ? -1 : findProbe(sent, probe);
    const answer = await sendRows(
      sent.map(({ row }) => row),
      probe === undefined || at === -1
        ? head
        : { ...head, probe: { at, password: probe.password } },
    );
    for (const [at, each] of sent.entries()) {
      const result = answer.results[at] ?? null;
      if (result === 'taken') each.problems.push(problem('E_DUPLICATE_ID', 'id'));
      else each.found = result;
    }
    const good = reads.filter((each) => !hasFailed(each));
    return {
      ok: good.length,
      disabled: good.filter(({ row }) => row?.status === 'disabled').length,
      results: reads.flatMap(resultOf),
      ids: ids ? reads.map(({ id, row, found }) => found?.id ?? id ?? row?.user_id ?? '') : [],
      prints: ask.write ? '' : printsOf(reads),
      ...(answer.probe === undefined ? {} : { probe: answer.probe }),
    };
  };
};
