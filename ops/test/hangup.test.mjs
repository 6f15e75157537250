/** SIGHUP while the real gateway starts: it neither ends the gateway nor is lost. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { preparePaths } from '../paths.mjs';
import { killGroup } from '../processes.mjs';
import { launchRedis } from '../redis.mjs';
import { findRedisBinary } from '../redis-binary.mjs';
import { initSecrets } from '../secrets.mjs';
import { gatewaySettings } from '../settings.mjs';
import { makeDir, plainNode, realRoot, until } from './project.mjs';

t.setTimeout(100_000);

const startGateway = (t, env) => {
  const gateway = spawn(...plainNode(join(realRoot, 'dist/gateway/main.js')), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, PORT: '0', ADMIN_PORT: '0', EDGES: '1', ...env },
  });
  t.teardown(() => gateway.kill('SIGKILL'));
  let output = '';
  for (const stream of [gateway.stdout, gateway.stderr])
    stream.on('data', (data) => {
      output += data;
    });
  const exited = new Promise((resolve) => {
    gateway.once('close', (code, signal) => resolve(signal ?? code));
  });
  return { gateway, exited, output: () => output };
};

t.test('before it has read its settings there is nothing to reload', async (t) => {
  const fifo = join(makeDir(t), 'secret');
  spawnSync('mkfifo', [fifo]);
  const { gateway, exited, output } = startGateway(t, { NODE_SECRET_FILE: fifo });
  const secret = await open(fifo, 'w'); // resolves when the gateway reads it
  gateway.kill('SIGHUP');
  await secret.close();
  t.equal(await exited, 1, 'it goes on');
  t.match(output(), 'NODE_SECRET (or NODE_SECRET_FILE) is missing');
});

t.test('while its edges start, the reload is done when they serve', async (t) => {
  const data = { DATA_DIR: join(makeDir(t), 'data'), XDG_RUNTIME_DIR: makeDir(t) };
  const paths = preparePaths(data);
  initSecrets(paths);
  const redis = await launchRedis(paths, findRedisBinary(process.env.PATH ?? '') ?? '');
  t.teardown(() => killGroup(redis.identity));
  await redis.ready;
  const { gateway, exited, output } = startGateway(t, gatewaySettings(paths, {}));
  const children = `/proc/${gateway.pid}/task/${gateway.pid}/children`;
  await until(() => readFileSync(children, 'utf8') !== '', 'an edge is started');
  t.notMatch(output(), 'gateway is ready');
  gateway.kill('SIGHUP');
  await until(() => output().includes('reload ended'), 'it is reloaded');
  t.match(output(), /gateway is ready[\s\S]*reloading[\s\S]*reload ended/);
  gateway.kill('SIGTERM');
  t.equal(await exited, 0);
});
