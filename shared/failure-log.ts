/**
 * Why answers are failures of ours: one line for each cause at most every ten seconds, because what
 * is lost fails every request that needs it. The next line of a cause says how many were left out;
 * metrics count them all. What nobody foresaw (`internal`) is said each time.
 */
import { reasonOf } from './describe-error.js';
import { type AppError, rowOf } from './errors.js';

type Logs = { error(fields: object, text: string): void; warn(fields: object, text: string): void };
type Told = { at: number; leftOut: number };

const everyMs = 10_000;
/** Told apart at a time; beyond it the code alone decides. */
const maxCauses = 50;

/** `now`: monotonic milliseconds. */
export const createFailureLog = ({
  log,
  now = () => performance.now(),
}: {
  log: Logs;
  now?: () => number;
}) => {
  const told = new Map<string, Told>();

  const keyOf = (error: AppError, at: number): string => {
    const key = `${error.code} ${reasonOf(error)}`;
    if (told.has(key)) return key;
    if (told.size >= maxCauses)
      for (const [old, last] of told) if (at - last.at >= everyMs) told.delete(old);
    return told.size < maxCauses ? key : error.code;
  };

  /** How many of its kind were left out before this one; undefined when it is left out, too. */
  const take = (error: AppError): number | undefined => {
    const at = now();
    const key = keyOf(error, at);
    const last = told.get(key);
    if (last !== undefined && at - last.at < everyMs) {
      last.leftOut++;
      return undefined;
    }
    told.set(key, { at, leftOut: 0 });
    return last?.leftOut ?? 0;
  };

  /** Says nothing of what is the caller's own doing, nor that there is no room, unless a node had failed before. */
  return (error: AppError, route: string, requestId: string) => {
    const { code, cause } = error;
    if ((code === 'overloaded' && cause === undefined) || rowOf(code).status < 500) return;
    const fields = { request_id: requestId, route, err: error };
    if (code === 'internal') return log.error(fields, 'internal error');
    const leftOut = take(error);
    if (leftOut !== undefined) log.warn({ ...fields, code, left_out: leftOut }, 'request failed');
  };
};
