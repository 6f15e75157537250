/**
 * A process of the bench's own that does one thing on request: both ends of the conversation. Load
 * generator, reference loop and bare server are such processes, because what they cost must be seen
 * (and pinned) apart from the bench itself.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

type Calls = { [name: string]: (argument: never) => unknown };
type Request = { id: number; name: string; argument: never };
type Reply = { id: number; value?: unknown; error?: string };

export type Peer<C extends Calls> = {
  pid: number;
  ask: <K extends keyof C & string>(
    name: K,
    argument: Parameters<C[K]>[0],
  ) => Promise<Awaited<ReturnType<C[K]>>>;
  stop: () => Promise<void>;
};

const isRequest = (value: unknown): value is Request =>
  typeof value === 'object' && value !== null && 'name' in value && 'argument' in value;

const isReply = (value: unknown): value is Reply =>
  typeof value === 'object' && value !== null && 'id' in value && !('name' in value);

/** In the child: answers each message by the call it names; ends with its parent. */
export const serve = <C extends Calls>(calls: C) => {
  process.on('disconnect', () => process.exit(0));
  // The terminal's Ctrl-C is the bench's business, which then stops us.
  process.on('SIGINT', () => {});
  process.on('message', async (message) => {
    if (!isRequest(message)) return;
    const { id, name, argument } = message;
    try {
      process.send?.({ id, value: await calls[name]?.(argument) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
};

const exited = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', resolve));

/** In the parent: starts `file` of this folder. `ask` rejects when the call throws or it dies. */
export const startPeer = <C extends Calls>(file: string, env: NodeJS.ProcessEnv = {}): Peer<C> => {
  // Compiled together with this file, or run from the source as this file is.
  const isCompiled = import.meta.url.endsWith('.js');
  const name = isCompiled ? file.replace(/ts$/, 'js') : file;
  const path = fileURLToPath(new URL(name, import.meta.url));
  const child = fork(path, {
    execArgv: isCompiled ? [] : ['--import=tsx'],
    env: { ...process.env, ...env },
    serialization: 'advanced',
  });
  const waiting = new Map<
    number,
    { resolve: (value: never) => void; reject: (e: Error) => void }
  >();
  let lastId = 0;
  child.on('message', (message) => {
    if (!isReply(message)) return;
    const asked = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error !== undefined) asked?.reject(new Error(`${file}: ${message.error}`));
    // Both ends are this repository: `serve` ran the very call whose result type `ask` names.
    else asked?.resolve(message.value as never);
  });
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`${file} ended early (${signal ?? code})`));
    waiting.clear();
  });
  return {
    pid: child.pid ?? 0,
    ask: (name, argument) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        child.send({ id, name, argument });
      }),
    stop: async () => {
      child.kill('SIGKILL');
      await exited(child);
    },
  };
};
