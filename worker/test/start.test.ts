import { readFileSync } from 'node:fs';
import t from 'tap';
import { startRedis } from '../../shared/test/redis-server.js';
import { version } from '../config.js';
import { makeRuntimeDir } from './node.js';
import { launch, settingsFor } from './process.js';

t.setTimeout(90_000);
const redis = await startRedis(t);

t.test('wrong settings: one message that names them all, exit 1', async (t) => {
  const env = {
    ...settingsFor('bad', redis.url, '/nowhere'),
    NODE_SECRET: '',
    HASH_THREADS: 'many',
  };
  const { exited, output } = launch(t, { ...env, ARGON2_MEMORY_KIB: '1024' });
  t.equal(await exited, 1);
  for (const name of ['NODE_SECRET', 'HASH_THREADS', 'ARGON2_MEMORY_KIB']) t.match(output(), name);
  t.notMatch(output(), '    at ', 'no stack');
});

t.test('plain TCP for everybody: refused, with what to do', async (t) => {
  const env = settingsFor('open', redis.url, makeRuntimeDir(t));
  const { exited, output } = launch(t, { ...env, NODE_LISTEN: '0.0.0.0:0' });
  t.equal(await exited, 1);
  t.match(output(), /NODE_LISTEN needs TLS.*floodgate certs node/s);
});

t.test('a store that may lose data is refused, unless accepted', async (t) => {
  const volatile = await startRedis(t, ['--appendonly', 'no']);
  const env = settingsFor('volatile', volatile.url, makeRuntimeDir(t));
  const refused = launch(t, env);
  t.equal(await refused.exited, 1);
  t.match(refused.output(), /appendonly.*ACCEPT_DATA_LOSS=1/s);
  const accepted = launch(t, { ...env, ACCEPT_DATA_LOSS: '1' });
  t.equal(await accepted.said(), 'ready');
  accepted.child.kill('SIGTERM');
  t.equal(await accepted.exited, 0);
});

t.test(
  'a secret that fits none of the nodes ends the start, one of two that fits does not',
  async (t) => {
    const dir = makeRuntimeDir(t);
    const own = await startRedis(t);
    const first = launch(t, settingsFor('first', own.url, dir));
    t.equal(await first.said(), 'ready');
    const stranger = {
      ...settingsFor('second', own.url, dir),
      NODE_SECRET: 'another-secret-of-a-test',
    };
    const [refused, changing] = [
      launch(t, stranger),
      launch(t, {
        ...settingsFor('third', own.url, dir),
        NODE_SECRET: 'secret-of-the-tests,another-secret-of-a-test',
      }),
    ];
    t.equal(await changing.said(), 'ready');
    t.equal(await refused.exited, 1);
    t.match(refused.output(), /NODE_SECRET fits none of the 2 nodes in the registry/);
    for (const { child } of [first, changing]) child.kill('SIGTERM');
    for (const { exited } of [first, changing]) t.equal(await exited, 0);

    // Those that have ended are in nobody's way.
    const next = launch(t, stranger);
    t.equal(await next.said(), 'ready');
    next.child.kill('SIGTERM');
    t.equal(await next.exited, 0);
  },
);

t.test('another user store than that of the nodes ends the start', async (t) => {
  const dir = makeRuntimeDir(t);
  const own = await startRedis(t);
  const first = launch(t, settingsFor('first', own.url, dir));
  t.equal(await first.said(), 'ready');
  const password = 'not-to-be-shown';
  const elsewhere = {
    ...settingsFor('second', own.url, dir),
    CREDENTIALS_URL: `postgres://u:${password}@127.0.0.1:1/shop`,
  };
  const [refused, same] = [launch(t, elsewhere), launch(t, settingsFor('third', own.url, dir))];
  t.equal(await same.said(), 'ready');
  t.equal(await refused.exited, 1);
  t.match(refused.output(), /CREDENTIALS_URL and .* differ from those of 2 nodes in the registry/);
  t.notMatch(refused.output(), password);
  t.notMatch(refused.output(), '    at ', 'no stack');
  for (const { child } of [first, same]) child.kill('SIGTERM');
  for (const { exited } of [first, same]) t.equal(await exited, 0);
});

t.test('--check-config prints the settings with the secrets masked', async (t) => {
  const { exited, output } = launch(t, settingsFor('checked', redis.url, '/run/x'), [
    '--check-config',
  ]);
  t.equal(await exited, 0);
  const shown = JSON.parse(output());
  t.match(shown, { nodeId: 'checked', threads: 1, target: { memoryKiB: 19_456, passes: 2 } });
  t.notMatch(output(), 'secret-of-the-tests');
  t.notMatch(output(), redis.socket);
});

t.test('the version in the registry is the package’s', async (t) => {
  const file = new URL('../../package.json', import.meta.url);
  t.equal(JSON.parse(readFileSync(file, 'utf8')).version, version);
});
