/** An edge and its node on one machine that stands still: both do, and neither is to blame. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

/** As many failures in a row as open a breaker. */
const logins = 5;

const start = (t: Test, name: string, args: readonly (string | number)[]): ChildProcess => {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, ['--import=tsx', file, ...args.map(String)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
};

/** What becomes of logins that take `workMs` when all stands still `afterMs` after the node has them. */
const sendOver = async (t: Test, workMs: number, afterMs: number, standstillMs: number) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-still-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'node.sock');
  const node = start(t, 'standing-node.ts', [path, workMs]);
  await once(node, 'message');
  const seen = new Promise<void>((resolve) => {
    node.on('message', (count) => {
      if (count === logins) resolve();
    });
  });
  const edge = start(t, 'standing-edge.ts', [path, logins]);
  const ended = once(edge, 'message');
  await seen;
  await sleep(afterMs);
  edge.kill('SIGSTOP');
  node.kill('SIGSTOP');
  await sleep(standstillMs);
  edge.kill('SIGCONT');
  node.kill('SIGCONT');
  const [told] = await ended;
  return told;
};

const good = { ends: new Array(logins).fill('verdict'), isOpen: false };

t.test('what was under way is answered, and no breaker hears of a failure', async (t) => {
  t.same(await sendOver(t, 300, 100, 900), good);
});

t.test('nor when the node works on something dear', async (t) => {
  t.same(await sendOver(t, 1200, 700, 900), good);
});

t.test('nor when it was over just before the time is up', async (t) => {
  for (const [afterMs, standstillMs] of [
    [0, 600],
    [100, 500],
  ] as const)
    t.same(await sendOver(t, 300, afterMs, standstillMs), good);
});
