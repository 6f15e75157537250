/**
 * What an attempt's answer means: a verdict, or an error with what it costs to try elsewhere and
 * what the breaker learns. Nothing of a node's bytes passes through: errors are codes of our own
 * table, a reason is one of ours by name, a verdict must be signed for this attempt and this boot.
 */
import { AppError } from '../../shared/errors.js';
import { isObject } from '../../shared/json.js';
import type { Verdict } from '../../shared/protocol.js';
import type { Answer } from './forward.js';
import { badRequestOf } from './refusal.js';

type Body = Record<string, unknown>;
/** The verdict in an answer, or AppError bad_node_answer when it is not the one that is waited for. */
type Open = (body: unknown) => Verdict;
export type Label = keyof typeof rows | 'verdict';
export type Failure = {
  kind: 'error';
  label: keyof typeof rows;
  error: AppError;
  /** For how long the node is to be left alone. */
  refusedMs?: number;
};
export type Outcome = { kind: 'verdict'; verdict: Verdict } | Failure;

/**
 * By kind of failure. `retry` free: nothing was started there; token: it may have been; write: so too,
 * and only what writes is asked for again, because the write may have been done and its answer lost;
 * never: it would not help. `learned` is what the breaker is told. A lost store is nobody's failure here; one that
 * others still have is (`cut_off`, see store-watch.ts).
 */
export const rows = {
  refused: { retry: 'free', learned: 'neutral' },
  stale_boot: { retry: 'free', learned: 'neutral' },
  unreached: { retry: 'free', learned: 'failure' },
  died: { retry: 'token', learned: 'failure' },
  timeout: { retry: 'token', learned: 'failure' },
  broken: { retry: 'token', learned: 'failure' },
  bad_answer: { retry: 'never', learned: 'failure' },
  unexpected: { retry: 'never', learned: 'neutral' },
  rejected: { retry: 'never', learned: 'neutral' },
  key_missing: { retry: 'free', learned: 'neutral' },
  library_missing: { retry: 'free', learned: 'neutral' },
  older_version: { retry: 'free', learned: 'neutral' },
  store_lost: { retry: 'write', learned: 'neutral' },
  cut_off: { retry: 'token', learned: 'failure' },
  aborted: { retry: 'never', learned: 'neutral' },
} as const satisfies Record<
  string,
  { retry: 'free' | 'token' | 'write' | 'never'; learned: string }
>;

/** How long a node of another boot takes to be known, at most. */
const staleBootMs = 250;

const fail = (label: Failure['label'], error: AppError): Failure => ({
  kind: 'error',
  label,
  error,
});

const readRefusal = ({ wait_ms: waitMs }: Body): Failure => ({
  ...fail('refused', new AppError('overloaded')),
  refusedMs: typeof waitMs === 'number' && waitMs >= 0 ? waitMs : 0,
});

/** The errors that nodes are expected to answer with. */
const known: Record<string, (body: Body) => Failure | undefined> = {
  '503 overloaded': (body) => (body.started === false ? readRefusal(body) : undefined),
  '503 store_unavailable': () =>
    fail('store_lost', new AppError('store_unavailable', { detail: 'at the node' })),
  // Another node may have it already. The caller learns no more than that nothing is known.
  '503 key_missing': () =>
    fail('key_missing', new AppError('temporarily_unavailable', { detail: 'a password key' })),
  '503 library_missing': () =>
    fail('library_missing', new AppError('temporarily_unavailable', { detail: 'a library' })),
  '409 store_refused': () => fail('rejected', new AppError('store_refused')),
  // What it does not know is a field of ours, not of the client: it is older than we are.
  '400 bad_request': (body) =>
    body.reason === 'unknown_field'
      ? fail('older_version', new AppError('bad_node_answer', { detail: 'an older version' }))
      : fail('rejected', badRequestOf(body)),
  '401 not_authenticated': () => ({
    ...fail('stale_boot', new AppError('no_node', { detail: 'it does not know us' })),
    refusedMs: staleBootMs,
  }),
};

const readError = (status: number, body: unknown): Failure => {
  const text = isObject(body) && typeof body.error === 'string' ? body.error : '';
  const name = `${status} ${text}`;
  const found = Object.hasOwn(known, name) && isObject(body) ? known[name]?.(body) : undefined;
  if (found !== undefined) return found;
  const error = new AppError('bad_node_answer', { detail: `status ${status}` });
  if (status >= 500) return fail('broken', error);
  return fail(status >= 400 ? 'unexpected' : 'bad_answer', error);
};

const readVerdict = (body: unknown, open: Open): Outcome => {
  try {
    return { kind: 'verdict', verdict: open(body) };
  } catch (cause) {
    return fail('bad_answer', new AppError('bad_node_answer', { cause }));
  }
};

/** Judges one answer. Never throws. */
export const judge = (answer: Answer, open: Open): Outcome => {
  switch (answer.kind) {
    case 'answered':
      return answer.status === 200
        ? readVerdict(answer.body, open)
        : readError(answer.status, answer.body);
    case 'malformed':
      return fail('bad_answer', new AppError('bad_node_answer', { detail: answer.detail }));
    case 'unreached':
      return fail('unreached', new AppError('no_node', { detail: 'not reachable' }));
    case 'died':
      return fail('died', new AppError('bad_node_answer', { detail: 'connection lost' }));
    case 'timeout':
    case 'aborted':
      return fail(answer.kind, new AppError('timeout', { detail: answer.kind }));
  }
};
