/** Where lines go may be full: real processes whose stdout is /dev/full. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = `
  import { createLog, flushLog } from '${new URL('../log.ts', import.meta.url).href}';
  import { createLifecycle } from '${new URL('../lifecycle.ts', import.meta.url).href}';
  const log = createLog({ level: 'info', role: 'test' });
  const lifecycle = createLifecycle({ log, role: 'child', stopMs: 5000 });
  lifecycle.onStop('log', () => flushLog(log), 1000);
  process.stdout.on('error', () => {});
  const send = (text) => process.send(text);
  for (let i = 0; i < 100; i += 1) log.info({ i }, 'x'.repeat(200));
  flushLog(log).then(() => send('flushed'));
  setTimeout(() => send('lives'), 700);`;

const skip = existsSync('/dev/full') ? false : 'no /dev/full here';

t.test('a full disk ends no process, nor keeps one from ending', { skip }, async (t) => {
  const full = openSync('/dev/full', 'w');
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  const command = ['--import=tsx', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, command, {
    cwd,
    stdio: ['ignore', full, 'inherit', 'ipc'],
  });
  closeSync(full);
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const said: unknown[] = [];
  child.on('message', (text) => {
    said.push(text);
    if (text === 'lives') child.send('drain');
  });
  t.same(await exited, [0, null]);
  t.same(said, ['flushed', 'lives']);
});
