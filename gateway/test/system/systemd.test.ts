/** The units of ops/systemd taken at their word, but for directories and ports: what they run, with what. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import {
  type Env,
  isSetting,
  login,
  root,
  secondsToStop,
  startProgram,
  statusOf,
  text,
} from './deployed.js';
import { freePort, until } from './fleet.js';

const run = promisify(execFile);
const site = mkdtempSync(join(tmpdir(), 'fg-systemd-'));
t.teardown(() => rmSync(site, { recursive: true, force: true }));

/** All values of a key, in the order of the file. */
const valuesOf = (unit: string, key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
const gateway = text('ops/systemd/floodgate-gateway.service');
const node = text('ops/systemd/floodgate-node@.service');

const start = (unit: string, more: Env) => {
  const env: Env = { PATH: process.env.PATH };
  for (const line of valuesOf(unit, 'Environment')) {
    const [variable = '', value = ''] = line.split('=');
    env[variable] = value
      .replace('%l-%i', 'web1-0')
      .replace('/etc/floodgate', join(site, 'data/secrets'))
      .replace('/run/floodgate', join(site, 'run'));
  }
  const [, ...args] = valuesOf(unit, 'ExecStart')[0]?.split(' ') ?? [];
  return startProgram(t, args, { ...env, ...more });
};

t.test('both units start, serve and stop', async (t) => {
  const redis = await startRedis(t);
  const env = { PATH: process.env.PATH, DATA_DIR: join(site, 'data') };
  await run(process.execPath, [join(root, 'ops/floodgate.mjs'), 'init'], { env });
  for (const user of ['gateway', 'worker'])
    writeFileSync(join(site, `data/secrets/redis-${user}-url`), `${redis.url}\n`);

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const more = { PORT: `${port}`, ADMIN_PORT: `${await freePort()}`, EDGES: '1' };
  const server = start(gateway, more);
  const worker = start(node, {});
  const isReady = async () => (await statusOf(`${url}/readyz`)) === 200;
  await until('the gateway is ready', isReady, 30_000);
  await until('a login reaches the node', async () => (await login(url)) === 401);
  t.match(worker.log(), '"node":"web1-0"');

  server.child.kill('SIGTERM');
  t.equal(await server.exited, 0);
  worker.child.kill('SIGTERM');
  t.equal(await worker.exited, 0);
});

t.test('they name settings, and wait as long as the README asks for', async (t) => {
  const units = [
    ['gateway', gateway],
    ['node', node],
  ] as const;
  for (const [program, unit] of units)
    for (const line of valuesOf(unit, 'Environment'))
      t.ok(isSetting(line.split('=')[0] ?? '', program), line);
  const given = (unit: string) => valuesOf(unit, 'TimeoutStopSec')[0];
  t.same({ gateway: given(gateway), node: given(node) }, secondsToStop());
});
