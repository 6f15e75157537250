/**
 * The one error of the launcher: something the user has to put right. Its message says what is wrong
 * and what to do; whoever catches it prints that and exits with 1, without a stack.
 */
export class Refusal extends Error {
  /** @override */
  name = 'Refusal';
}

/** A command line that says nothing we could do: nothing was begun, and the command ends with 2. */
export class UsageError extends Refusal {}

const chooseUser =
  'Start as the user to whom it belongs, or set DATA_DIR to a directory of your own.';

/** What to do about a file or directory that cannot be used. @type {Record<string, string>} */
const advice = {
  ENOSPC: 'The disk is full: make room there.',
  EDQUOT: "This user's share of the disk is used up: make room there.",
  EROFS: 'The disk is read-only. Mount it for writing, or set DATA_DIR to a directory elsewhere.',
  EACCES: chooseUser,
  EPERM: chooseUser,
  EFBIG: 'Files may not become so large here (ulimit -f). Raise that limit.',
};

/** What is wrong and what to do, where the user can put it right. @param {unknown} error */
const adviseOn = (error) => {
  if (error instanceof Refusal) return error.message;
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return undefined;
  const code = String(error.code);
  if (!Object.hasOwn(advice, code)) return undefined;
  return `${error.path} cannot be used (${code}). ${advice[code]}`;
};

/** In one line. @param {Error} error */
export const sayShort = (error) => adviseOn(error) ?? error.message;

/** With all that is known where there is nothing better to say. @param {unknown} error */
export const explain = (error) =>
  adviseOn(error) ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
