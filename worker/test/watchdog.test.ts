import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import t, { type Test } from 'tap';

// While the loop hangs, no loader of ours could load the thread's file: as in dist/, it is JavaScript.
const dir = t.testdir();
const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
await build({
  entryPoints: ['../../shared/log.ts', '../watchdog.ts', '../watchdog-thread.ts'].map(source),
  outdir: dir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
});

/** As the first process of a PID namespace of its own, like a container's. */
const asFirst = ['unshare', '-Urpf', '--kill-child', '--mount-proc'];

/** A process with a watchdog of `rounds` × 50 ms that then runs `code`; `via`: a command that starts it. */
const run = (t: Test, rounds: number, code: string, via: readonly string[] = []) => {
  const program = `
    import { createLog } from './shared/log.js';
    import { startWatchdog } from './worker/watchdog.js';
    const log = createLog({ level: 'info', role: 'worker' }).child({ node: 'n1' });
    const hang = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
    await startWatchdog({ log, everyMs: 50, limit: ${rounds} });
    ${code}`;
  const command = [...via, process.execPath, '--input-type=module', '-e', program];
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { child, closed: once(child, 'close'), output: () => text };
};

t.test('a loop that stands still ends the process, with a line that says so', async (t) => {
  const { child, closed, output } = run(t, 4, 'hang(60_000);');
  t.same(await closed, [null, 'SIGKILL']);
  t.match(JSON.parse(output()), {
    level: 60,
    role: 'worker',
    node: 'n1',
    pid: child.pid,
    alarm: true,
    msg: 'the event loop stood still for 0.2 s: ending the process',
  });
});

t.test('who reads its lines hangs too: it ends all the same', async (t) => {
  const fill = `
    import { writeSync } from 'node:fs';
    for (;;) try { writeSync(1, 'x'.repeat(4096)); } catch {}`;
  const { child } = run(t, 4, fill);
  child.stdout.pause();
  t.same(await once(child, 'exit'), [null, 'SIGKILL']);
});

const mayUnshare = spawnSync(asFirst[0] ?? '', [...asFirst.slice(1), 'true']).status === 0;
const skip = mayUnshare ? false : 'no PID namespaces here';
t.test('the first process of a container, whom no signal of its own ends', { skip }, async (t) => {
  const { closed, output } = run(t, 4, 'hang(60_000);', asFirst);
  t.same(await closed, [137, null]);
  t.match(JSON.parse(output()), { pid: 1, alarm: true });
});

t.test('pauses below the limit, again and again, are none', async (t) => {
  const busy = 'for (let i = 0; i < 5; i += 1) { hang(500); await new Promise(setImmediate);';
  const { closed, output } = run(t, 40, `${busy} await new Promise((r) => setTimeout(r, 60)); }`);
  t.same(await closed, [0, null], 'nor does the watchdog keep a process that has nothing to do');
  t.equal(output(), '');
});

t.test('a process that was stopped goes on', async (t) => {
  const code = "console.log('watched'); setTimeout(() => console.log('done'), 500);";
  const { child, closed, output } = run(t, 40, code);
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  await sleep(3000);
  child.kill('SIGCONT');
  t.same(await closed, [0, null]);
  t.equal(output(), 'watched\ndone\n');
});
