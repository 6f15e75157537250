/**
 * The one door to pino: JSON lines on stdout, one object per line, secrets redacted.
 * Lines are gathered and written in blocks (a write per line costs a system call on the login path);
 * `flushLog` runs at stop. At debug and trace each is written at once: whatever ends the process then, what it
 * had logged is there, and before the answer that follows it. Callers pass an object of known fields first, never a password or a token.
 */
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { describeError } from './describe-error.js';

export type Log = Logger;

const redacted = ['password', 'token', 'secret', 'authorization', 'cookie', 'hash'];
const censor = '[redacted]';

const inBlocks = { sync: false, minLength: 4096, periodicFlush: 200 };
const atOnce = { sync: true, minLength: 0 };
const levelsAtOnce = ['debug', 'trace'];

/**
 * A full disk costs lines, not the process: what cannot be written is kept and tried again, up to 64 MiB.
 */
const openStdout = (level: string): DestinationStream => {
  const writing = levelsAtOnce.includes(level) ? atOnce : inBlocks;
  const out = destination({ fd: 1, maxLength: 1 << 26, ...writing });
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
      serializers: { err: (error: unknown) => describeError(error) },
    },
    options.stream ?? openStdout(options.level),
  );

/**
 * For audit lines. They are a record, so LOG_LEVEL does not take them away. Their objects have no
 * objects in them: looking into those is four fifths of the cost of a line.
 */
export const auditLog = (log: Log): Log =>
  log.child({}, { level: 'info', redact: { paths: redacted, censor } });

/** Resolves when everything logged so far has left the process, or could not. */
export const flushLog = (log: Log): Promise<void> =>
  new Promise((resolve) => {
    log.flush(() => resolve());
  });
