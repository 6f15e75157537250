/**
 * How a process ends. `onStop` is called right where something is created; `stop` runs that list
 * backwards, each step with a deadline and all of them with one, once. SIGINT, SIGTERM, the IPC message
 * `drain` and a closed IPC channel are one and the same request. Only a top process obeys a second signal
 * (exit at once), and only 500 ms after the first: terminals and supervisors send more than one at a time.
 */
type Logs = { info(fields: object, text: string): void; error(fields: object, text: string): void };
type Step = { name: string; run: () => unknown; deadlineMs: number };
type Given = {
  log: Logs;
  role: 'top' | 'child';
  /** For all steps together: below what the parent or supervisor waits before it kills. */
  stopMs: number;
};

/** What a step gets when the ones before it took all the time: enough to hang up or to write a line. */
const leastMs = 100;

export type Lifecycle = ReturnType<typeof createLifecycle>;

const within = (ms: number, run: () => unknown): Promise<'done' | 'late'> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve('late'), ms);
    Promise.resolve()
      .then(run)
      .then(() => resolve('done'), reject)
      .finally(() => clearTimeout(timer));
  });

export const createLifecycle = ({ log, role, stopMs }: Given) => {
  const steps: Step[] = [];
  let stoppingSince: number | undefined;

  const onStop = (name: string, run: () => unknown, deadlineMs = 5000) => {
    steps.push({ name, run, deadlineMs });
  };

  const runSteps = async () => {
    const end = performance.now() + stopMs;
    for (const { name, run, deadlineMs } of steps.reverse()) {
      const ms = Math.max(leastMs, Math.min(deadlineMs, end - performance.now()));
      try {
        if ((await within(ms, run)) === 'late') log.error({ step: name }, 'stop step is late');
      } catch (err) {
        log.error({ step: name, err }, 'stop step failed');
      }
    }
  };

  /** Idempotent. Exits the process when every step has run. */
  const stop = (reason: string, exitCode = 0) => {
    if (stoppingSince !== undefined) return;
    stoppingSince = performance.now();
    log.info({ reason }, 'stopping');
    runSteps().finally(() => process.exit(exitCode));
  };

  const onSignal = (signal: string) => {
    if (stoppingSince === undefined) return stop(signal);
    if (role === 'top' && performance.now() - stoppingSince >= 500) process.exit(130);
  };

  const signals = role === 'child' ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM'];
  for (const signal of signals) process.on(signal, () => onSignal(signal));
  process.on('message', (message) => {
    if (message === 'drain') stop('drain');
  });
  // A parent may die while we still load: then the channel is closed already and no event follows.
  if (process.send !== undefined && !process.connected) stop('parent has gone');
  process.on('disconnect', () => stop('parent has gone'));
  // Whoever read our lines may be dead: failing to say so must not be one more thing to say.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('uncaughtException', (err) => {
    log.error({ err }, 'uncaught exception');
    stop('uncaught exception', 1);
  });

  return {
    onStop,
    stop,
    /** SIGHUP: only a top process reloads; for a child every signal means stop. */
    onReload: (run: () => unknown) => {
      if (role === 'top') process.on('SIGHUP', run);
    },
    /** What the parent says over IPC, besides `drain`. */
    onMessage: (run: (message: unknown) => void) => {
      process.on('message', run);
    },
    /** To the parent, if there is one. */
    tell: (message: object) => {
      process.send?.(message);
    },
    stopping: () => stoppingSince !== undefined,
    /** Tells the parent, if there is one, that this process serves. */
    ready: () => {
      process.send?.('ready');
    },
  };
};
