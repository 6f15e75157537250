/**
 * The one door to pino: JSON lines on stdout, one object per line, secrets redacted.
 * Lines are gathered and written in blocks (a write per line costs a system call on the login path);
 * `flushLog` runs at stop. Callers pass an object of known fields first, never a password or a token.
 */
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { isAppError } from './errors.js';

export type Log = Logger;

const redacted = ['password', 'token', 'secret', 'authorization', 'cookie', 'hash'];
const censor = '[redacted]';

/** What is said of an error: never the message of a SyntaxError, which quotes the input. */
const describeError = (error: unknown): object => {
  if (!(error instanceof Error)) return { type: typeof error };
  const cause = error.cause === undefined ? undefined : describeError(error.cause);
  const code = 'code' in error ? String(error.code) : undefined;
  const message = error instanceof SyntaxError ? undefined : error.message;
  const detail = isAppError(error) ? error.detail : undefined;
  const frames = error.stack?.split('\n').filter((line) => line.startsWith('    at '));
  return { type: error.name, code, message, detail, stack: frames?.slice(0, 8).join('\n'), cause };
};

/**
 * A full disk costs lines, not the process: what cannot be written is kept and tried again, up to 64 MiB.
 */
const openStdout = (): DestinationStream => {
  const out = destination({
    fd: 1,
    sync: false,
    minLength: 4096,
    periodicFlush: 200,
    maxLength: 1 << 26,
  });
  let isFailing = false;
  out.on('error', () => {
    isFailing = true;
  });
  out.on('write', () => {
    isFailing = false;
  });
  // At the exit it would try until it works, and the process would stay.
  process.prependListener('exit', () => {
    if (isFailing) out.destroy();
  });
  return out;
};

export const createLog = (options: {
  level: string;
  role: string;
  stream?: DestinationStream;
}): Log =>
  pino(
    {
      level: options.level,
      base: { role: options.role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: redacted.flatMap((name) => [name, `*.${name}`]), censor },
      serializers: { err: describeError },
    },
    options.stream ?? openStdout(),
  );

/** For lines of objects without objects in them: looking into those is four fifths of their cost. */
export const flatLog = (log: Log): Log => log.child({}, { redact: { paths: redacted, censor } });

/** Resolves when everything logged so far has left the process, or could not. */
export const flushLog = (log: Log): Promise<void> =>
  new Promise((resolve) => {
    log.flush(() => resolve());
  });
