/**
 * What may be said of an error in a log or in the message of a start that failed. Left out is what
 * quotes somebody's input: the message of a SyntaxError, and the arguments of a command that Redis
 * does not know. No dependency, because the primary loads this.
 */
import { isAppError } from './errors.js';

const messageOf = (error: Error): string | undefined =>
  error instanceof SyntaxError
    ? undefined
    : error.message.replace(/, with args beginning with.*/s, '');

/** `ENOENT` and the like, of an error that has one. */
export const systemCodeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

const maxCauses = 8;

/** As a log has it, with its causes and where it came from. */
export const describeError = (error: unknown, left = maxCauses): object => {
  if (!(error instanceof Error)) return { type: typeof error };
  const { cause } = error;
  const detail = isAppError(error) ? error.detail : undefined;
  const frames = error.stack?.split('\n').filter((line) => line.startsWith('    at '));
  return {
    type: error.name,
    code: systemCodeOf(error),
    message: messageOf(error),
    detail,
    stack: frames?.slice(0, 8).join('\n'),
    cause: cause === undefined || left === 0 ? undefined : describeError(cause, left - 1),
  };
};

const reasonOfOne = (error: Error): string => {
  const text = messageOf(error) || systemCodeOf(error) || error.name;
  return isAppError(error) && error.detail !== undefined ? `${text} (${error.detail})` : text;
};

/** One line from the outside in: `store_unavailable: NOPERM …`. Cheap: it asks for no stack. */
export const reasonOf = (error: unknown): string => {
  const reasons: string[] = [];
  for (let at = error; at instanceof Error && reasons.length < maxCauses; at = at.cause)
    reasons.push(reasonOfOne(at));
  return reasons.join(': ').slice(0, 500) || 'unknown';
};
