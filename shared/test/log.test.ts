/** Where lines go may be full, and who writes them may be killed: real processes and their stdout. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = (level: string) => `
  import { createLog, flushLog } from '${new URL('../log.ts', import.meta.url).href}';
  import { createLifecycle } from '${new URL('../lifecycle.ts', import.meta.url).href}';
  const log = createLog({ level: '${level}', role: 'test' });
  const lifecycle = createLifecycle({ log, role: 'child', stopMs: 5000 });
  lifecycle.onStop('log', () => flushLog(log), 1000);
  process.stdout.on('error', () => {});
  const send = (text) => process.send(text);
  for (let i = 0; i < 100; i += 1) log.info({ i }, 'x'.repeat(200));
  flushLog(log).then(() => send('flushed'));
  setTimeout(() => send('lives'), 700);`;

const cwd = fileURLToPath(new URL('..', import.meta.url));
const run = (text: string) => ['--import=tsx', '--input-type=module', '-e', text];

const skip = existsSync('/dev/full') ? false : 'no /dev/full here';

for (const level of ['info', 'debug'])
  t.test(
    `at ${level} a full disk ends no process, nor keeps one from ending`,
    { skip },
    async (t) => {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, run(program(level)), {
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
    },
  );

const killed = (level: string) => `
  import { createLog } from '${new URL('../log.ts', import.meta.url).href}';
  const log = createLog({ level: '${level}', role: 'test' });
  for (let i = 0; i < 3; i += 1) log.${level}({ i }, 'last words');
  process.kill(process.pid, 'SIGKILL');`;

for (const level of ['debug', 'trace'])
  t.test(`at ${level} who is killed has written what it had logged`, async (t) => {
    const child = spawn(process.execPath, run(killed(level)), {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    t.same(await once(child, 'close'), [null, 'SIGKILL']);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.same(
      lines.map(({ i, msg }) => [i, msg]),
      [0, 1, 2].map((i) => [i, 'last words']),
    );
  });
