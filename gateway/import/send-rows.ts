/**
 * Rows of an import: their ids are claimed, the rest is done by a node, and ids that were not used are
 * given back. All of it may be repeated: what was written before is found by its attempt id. Nothing is
 * done per row but plain work and commands of one pipeline, because a file has millions of them.
 */
import { AppError } from '../../shared/errors.js';
import {
  type BatchHead,
  type BatchResult,
  type BatchRow,
  isWarning,
  type RowResult,
} from '../../shared/import-batch.js';
import type { Errand } from '../nodes/errand.js';
import type { Claim, createClaims } from './claims.js';

export type SendRows = ReturnType<typeof createSendRows>;
/** `taken`: another account has its id, and no node has seen the row. */
type Result = RowResult | 'taken' | null;
type Sent = { results: Result[]; probe?: 'right' | 'wrong' };

const claimOf = ({ user_id, u }: BatchRow): Claim => ({ id: user_id, u });

const isResults = (value: unknown): value is BatchResult =>
  typeof value === 'object' && value !== null && Array.isArray(Reflect.get(value, 'results'));

/** Not with a row of which the node says so, or of an account that has another id. */
const isUsed = (result: Result): boolean =>
  result === null ||
  (result !== 'taken' && result.id === undefined && (result.found ?? []).every(isWarning));

export const createSendRows = ({
  claims,
  errand,
}: {
  claims: ReturnType<typeof createClaims>;
  errand: Errand;
}) => {
  const askNode = async (head: BatchHead, rows: readonly BatchRow[]): Promise<BatchResult> => {
    if (rows.length === 0) return { results: [] };
    const answer = await errand('/credentials/batch', [head, ...rows]);
    if (!isResults(answer) || answer.results.length !== rows.length)
      throw new AppError('bad_node_answer', { detail: 'not the results of this batch' });
    return answer;
  };

  const run = async (
    rows: readonly BatchRow[],
    foreign: readonly BatchRow[],
    { probe, ...head }: BatchHead,
  ): Promise<Sent> => {
    const claimed = await claims.claim(foreign.map(claimOf), head.write);
    const those = (as: 'taken' | 'new') => new Set(foreign.filter((_, at) => claimed[at] === as));
    const [taken, fresh] = [those('taken'), those('new')];
    const sent = rows.filter((row) => !taken.has(row));
    const known = probe && rows[probe.at];
    const at = known === undefined ? -1 : sent.indexOf(known);
    const asked = probe === undefined || at === -1 ? head : { ...head, probe: { ...probe, at } };
    const answer = await askNode(asked, sent);
    const found = answer.results.values();
    const results = rows.map((row) => (taken.has(row) ? 'taken' : (found.next().value ?? null)));
    const unused = rows.filter((row, at) => fresh.has(row) && !isUsed(results[at] ?? null));
    if (head.write) await claims.giveBack(unused.map(claimOf));
    return { ...answer, results };
  };

  /**
   * One result for each row, in order. The `at` of a probe is that of `rows`; it is not checked where its
   * row is not sent. Throws what nodes and store throw.
   */
  return async (rows: readonly BatchRow[], head: BatchHead): Promise<Sent> => {
    const foreign = rows.filter(({ user_id }) => !user_id.startsWith('u_'));
    try {
      return await run(rows, foreign, head);
    } finally {
      if (head.write) claims.end(foreign.map(claimOf));
    }
  };
};
