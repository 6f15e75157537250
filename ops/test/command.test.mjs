/** The `floodgate` command as a shell sees it: help, mistakes and failures of every verb. */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import t from 'tap';
import { freePort, makeDir, plainNode, realRoot } from './project.mjs';

t.setTimeout(120_000);

const dataDir = join(makeDir(t), 'data');
const env = {
  PATH: process.env.PATH,
  DATA_DIR: dataDir,
  ADMIN_TOKEN: 'a-token-of-the-tests',
  // Whoever calls is told so: nobody listens there.
  ADMIN_URL: `http://127.0.0.1:${await freePort()}`,
};

/** @param {string[]} args */
const floodgate = (...args) => {
  const [file, argv] = plainNode(join(realRoot, 'ops/floodgate.mjs'), ...args);
  return spawnSync(file, argv, { encoding: 'utf8', env, input: '' });
};

const listed = floodgate('--help');
const verbs = [...listed.stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, verb]) => verb);

t.test('every command has --help, which does nothing else', async (t) => {
  t.equal(listed.status, 0);
  t.ok(verbs.length >= 10, verbs.join(' '));
  for (const verb of verbs)
    for (const help of ['--help', '-h']) {
      const { status, stdout, stderr } = floodgate(verb, help);
      t.equal(status, 0, `${verb} ${help}`);
      t.match(stdout, `Usage: floodgate ${verb}`);
      t.equal(stderr, '');
    }
  t.notOk(existsSync(dataDir), 'nothing was made');
});

t.test('what is wrong with a command line is named, and ends with 2', async (t) => {
  const unknown = verbs.map((verb) => [verb, '--jsn']);
  const others = [
    ...[[], ['nonsense'], ['init', 'here'], ['nodes', 'node-1'], ['drain'], ['drain', 'a', 'b']],
    ...[['undrain'], ['keys'], ['keys', 'list', '--refresh'], ['keys', 'rotate', '--revoke']],
    ...[
      ['keys', 'rotate', '--device', '--refresh'],
      ['migrate', 'share'],
      ['clients', 'set'],
    ],
    ...[
      ['users', 'show'],
      ['users', 'import', 'x', '--source', 'y'],
      ['certs', 'node', '../x'],
    ],
  ];
  for (const args of [...unknown, ...others]) {
    const { status, stdout, stderr } = floodgate(...args);
    t.equal(status, 2, args.join(' '));
    t.equal(stdout, '');
    t.notMatch(stderr, /^ {4}at /m);
    t.not(stderr, '');
  }
  t.notOk(existsSync(dataDir), 'nothing was made');
});

t.test('what could not be done ends with 1', async (t) => {
  const cases = [
    ...[['nodes'], ['nodes', '--json'], ['drain', 'node-1'], ['undrain', 'node-1']],
    ...[
      ['keys', 'list'],
      ['keys', 'rotate', '--revoke', '-abc'],
      ['migrate', 'status'],
    ],
  ];
  for (const args of cases) {
    const { status, stderr } = floodgate(...args);
    t.equal(status, 1, args.join(' '));
    t.match(stderr, 'No answer from the admin port');
  }
  t.match(floodgate('certs', 'show'), { status: 1, stderr: /cannot be used/ });
});

t.test('a certificate that is not trusted is no gateway that is down', async (t) => {
  const fixture = join(realRoot, 'gateway/test/fixtures/one');
  const [key, cert] = ['key', 'cert'].map((kind) => readFileSync(`${fixture}.${kind}.pem`));
  const server = createServer({ key, cert }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const [file, argv] = plainNode(join(realRoot, 'ops/floodgate.mjs'), 'nodes');
  const asked = { env: { ...env, ADMIN_URL: `https://127.0.0.1:${port}` } };
  const stderr = await new Promise((resolve) => {
    execFile(file, argv, asked, (_, __, text) => resolve(text));
  });
  t.match(stderr, /not to be trusted \(\w+\)\. Set ADMIN_URL .* NODE_EXTRA_CA_CERTS/);
});
