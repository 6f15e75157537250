/** The `floodgate` command as a shell sees it: help, mistakes and failures of every verb. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { freePort, makeDir, plainNode, realRoot, until } from './project.mjs';

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

/** An admin port to which every password is right: what it was asked, and a command that asks it. */
const openPort = async (t) => {
  const asked = [];
  const server = createPlainServer(async (request, response) => {
    asked.push([request.url, JSON.parse(await text(request))]);
    response.end('{"user_id":"ada"}');
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;

  const start = (file, argv) => {
    const child = spawn(file, argv, { env: { ...env, ADMIN_URL: `http://127.0.0.1:${port}` } });
    t.teardown(() => child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        said += data;
      });
    const ended = once(child, 'close').then(([code]) => code);
    return { child, ended, said: () => said };
  };
  return { asked, start };
};

t.test('a password may come late by the pipe, in pieces, and the pipe stay open', async (t) => {
  const { asked, start } = await openPort(t);
  const command = ['users', 'set-password', '--login', 'ada'];
  const { child, ended, said } = start(
    ...plainNode(join(realRoot, 'ops/floodgate.mjs'), ...command),
  );
  await until(() => asked.length === 1, 'it has begun');
  const line = Buffer.from('a pässword\r\nno password\n');
  for (const piece of [line.subarray(0, 4), line.subarray(4)]) {
    await sleep(500);
    child.stdin.write(piece);
  }
  t.equal(await ended, 0, said());
  t.strictSame(asked[1], ['/users/ada/password', { password: 'a pässword' }]);

  const none = start(...plainNode(join(realRoot, 'ops/floodgate.mjs'), ...command));
  none.child.stdin.end();
  t.equal(await none.ended, 1);
  t.match(none.said(), 'nothing came');
  const last = start(...plainNode(join(realRoot, 'ops/floodgate.mjs'), ...command));
  last.child.stdin.end('without an end');
  t.equal(await last.ended, 0, last.said());
  t.match(asked.at(-1), [/password$/, { password: 'without an end' }]);
});

/** A terminal that shows what is typed, unless the command sees to it. */
const terminal = (command) => ['script', ['-q', '-e', '-E', 'always', '-c', command, '/dev/null']];
const noTerminal = spawnSync(...terminal('true')).status !== 0 && 'no script of util-linux here';

t.test('a password is typed unseen, and may be corrected', { skip: noTerminal }, async (t) => {
  const { asked, start } = await openPort(t);
  const [file, argv] = plainNode(
    join(realRoot, 'ops/floodgate.mjs'),
    'users',
    'set-password',
    'ada',
  );
  const command = [file, ...argv].map((word) => `'${word}'`).join(' ');
  const type = async (keys) => {
    const { child, ended, said } = start(...terminal(command));
    await until(() => said().includes('New password: '), 'it asks');
    child.stdin.write(keys);
    const code = await ended;
    t.notMatch(said(), 'decent');
    return `${code} ${said()}`;
  };
  t.match(await type('a decent one of minw\x7fe\r'), /^0 New password: \r\nada has a new password/);
  t.strictSame(asked, [['/users/ada/password', { password: 'a decent one of mine' }]]);
  for (const end of ['\x03', '\x15\x04'])
    t.match(await type(`a decent one${end}`), /^1 New password: \r\n.*nothing came/);
  t.equal(asked.length, 1, 'nothing is set');
});
