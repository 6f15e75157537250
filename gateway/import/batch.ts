/**
 * A batch of lines of an import file: read, ids claimed, the rest done by a node, one result per line.
 * Everything in it may be repeated: what was written before is found by its attempt id. Nothing is done
 * per row but plain work and commands of one pipeline, because a file has millions of them.
 */
import { hash as digest } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import {
  type BatchHead,
  type BatchResult,
  type BatchRow,
  isWarning,
  type RowResult,
} from '../../shared/import-batch.js';
import type { Errand } from '../nodes/errand.js';
import type { Accounts } from '../username.js';
import type { Claim, createClaims } from './claims.js';
import { createMarks } from './marks.js';
import { type Problem, problem, problemOf } from './problems.js';
import { type Defaults, type ReadRow, readImportRow } from './row.js';

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

const claimOf = ({ row }: Good): Claim => ({ id: row.user_id, u: row.u });

const isGood = (read: Read): read is Good => read.row !== undefined && read.problems.length === 0;

/** `17 {"login":…}` */
const splitLine = (text: string): { line: number; json: string } => {
  const space = text.indexOf(' ');
  const number = text.slice(0, space);
  if (!/^[1-9]\d{0,14}$/.test(number)) throw new AppError('bad_request', { reason: 'not_json' });
  return { line: Number(number), json: text.slice(space + 1) };
};

const isResults = (value: unknown): value is BatchResult =>
  typeof value === 'object' && value !== null && Array.isArray(Reflect.get(value, 'results'));

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
  claims,
  errand,
  secret,
}: {
  accounts: Accounts;
  claims: ReturnType<typeof createClaims>;
  errand: Errand;
  /** NODE_SECRET, the current one. */
  secret: string;
}) => {
  const names = { accounts, marks: createMarks(secret) };

  const read = (text: string, defaults: Defaults): Read => {
    const { line, json } = splitLine(text);
    return Object.assign(readImportRow(json, defaults, names), { line, found: null });
  };

  /** Ids of other systems become these accounts' own; the claims that are new. */
  const claimIds = async (foreign: readonly Good[], write: boolean): Promise<Map<Good, string>> => {
    const claimed = await claims.claim(foreign.map(claimOf), write);
    const fresh = new Map<Good, string>();
    for (const [at, each] of foreign.entries()) {
      if (claimed[at] === 'taken') each.problems.push(problem('E_DUPLICATE_ID', 'id'));
      else if (claimed[at] === 'new' && write) fresh.set(each, each.row.user_id);
    }
    return fresh;
  };

  /** Where it is in this batch; -1: it is not. */
  const findProbe = (reads: readonly Good[], { id, login }: NonNullable<BatchAsk['probe']>) => {
    const u = login === undefined ? undefined : accounts(login).u;
    return reads.findIndex((each) => (u === undefined ? each.id === id : each.row.u === u));
  };

  const askNode = async (reads: readonly Good[], ask: BatchAsk): Promise<BatchResult> => {
    const { defaults: _, ids: __, probe, ...head } = ask;
    const at = probe === undefined ? -1 : findProbe(reads, probe);
    const full: BatchHead =
      probe === undefined || at === -1
        ? head
        : { ...head, probe: { at, password: probe.password } };
    const answer = await errand('/credentials/batch', [full, ...reads.map(({ row }) => row)]);
    if (!isResults(answer) || answer.results.length !== reads.length)
      throw new AppError('bad_node_answer', { detail: 'not the results of this batch' });
    return answer;
  };

  const run = async (
    reads: readonly Read[],
    foreign: readonly Good[],
    ask: BatchAsk,
  ): Promise<BatchAnswer> => {
    const fresh = await claimIds(foreign, ask.write);
    const sent = reads.filter(isGood);
    const answer = sent.length === 0 ? { results: [] } : await askNode(sent, ask);
    for (const [at, each] of sent.entries()) each.found = answer.results[at] ?? null;
    const unused = [...fresh].filter(([each]) => hasFailed(each) || each.found?.id !== undefined);
    await claims.giveBack(unused.map(([each]) => claimOf(each)));
    const good = reads.filter((each) => !hasFailed(each));
    return {
      ok: good.length,
      disabled: good.filter(({ row }) => row?.status === 'disabled').length,
      results: reads.flatMap(resultOf),
      ids: ask.ids ? reads.map(({ id, row, found }) => found?.id ?? id ?? row?.user_id ?? '') : [],
      prints: ask.write ? '' : printsOf(reads),
      ...(answer.probe === undefined ? {} : { probe: answer.probe }),
    };
  };

  /** Throws what nodes and store throw, and bad_request for a body that is no batch. */
  return async (lines: readonly string[], ask: BatchAsk): Promise<BatchAnswer> => {
    const reads = lines.map((text) => read(text, ask.defaults));
    const foreign = reads.filter(isGood).filter(({ row }) => !row.user_id.startsWith('u_'));
    try {
      return await run(reads, foreign, ask);
    } finally {
      if (ask.write) claims.end(foreign.map(claimOf));
    }
  };
};
