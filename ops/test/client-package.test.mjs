/** The client library as an application gets it: packed, installed elsewhere, imported. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { projectRoot } from '../paths.mjs';

t.setTimeout(120_000);

t.test('the packed client library can be installed and imported', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-package-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  /** @param {string} file @param {string[]} args @param {string} cwd */
  const run = (file, args, cwd) => execFileSync(file, args, { cwd, encoding: 'utf8' });
  const packed = ['pack', './dist/client', '--json', '--pack-destination', dir];
  const [{ filename, files }] = JSON.parse(run('npm', packed, projectRoot));
  t.ok(files.length < 50, 'the library alone');
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${filename}`], dir);
  const code = `const found = await import('floodgate/client'); console.log(typeof found.createClient);`;
  t.equal(run(process.execPath, ['--input-type=module', '-e', code], dir), 'function\n');
  const { dependencies } = JSON.parse(run('npm', ['ls', '--all', '--json'], dir));
  t.strictSame(Object.keys(dependencies.floodgate).includes('dependencies'), false);
});
