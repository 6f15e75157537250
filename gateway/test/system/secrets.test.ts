/** A secret that is wrong at one side: a start says so, a reload keeps what serves. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { freePort, marker, startFleet, textOf, until } from './fleet.js';

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

const gateway = resolve(fileURLToPath(import.meta.url), '../../../../dist/gateway/main.js');
const newSecret = () => `${marker}node-${randomBytes(16).toString('hex')}`;
const problem = /NODE_SECRET fits none of the 1 nodes in the registry/;

t.test('a gateway whose NODE_SECRET fits no node', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-secrets-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'node-secret');
  writeFileSync(file, newSecret());
  const env = { NODE_SECRET: '', NODE_SECRET_FILE: file, LOG_LEVEL: 'warn' };
  const fleet = await startFleet(t, { nodes: 1, edges: 1, env });
  await fleet.register('x');
  const before = fleet.edgePids();
  writeFileSync(file, newSecret());

  // Begun now: like the reload, it asks the registry for a while before it gives up.
  const another = spawn(process.execPath, [gateway], {
    env: { ...fleet.env, PORT: String(await freePort()), ADMIN_PORT: String(await freePort()) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => another.kill('SIGKILL'));
  const ended = Promise.all([text(another.stderr), once(another, 'exit')]);

  t.test('a reload with it leaves the old edges in place, and says why', async (t) => {
    process.kill(fleet.gatewayPid(), 'SIGHUP');
    const isSaid = () => fleet.logLines().some(({ msg }) => problem.test(String(msg)));
    await until('the new edge says what is wrong', isSaid, 20_000);
    const isAborted = ({ msg }: Record<string, unknown>) => /^reload aborted/.test(String(msg));
    await until('the reload is given up', () => fleet.logLines().some(isAborted));
    await until('nobody but the old edge', () => fleet.edgePids().length === 1);
    t.same(fleet.edgePids(), before);
    await fleet.signIn('x');
  });

  t.test('a start with it ends with 1 and says what to do', async (t) => {
    const [said, [code]] = await ended;
    t.equal(code, 1);
    t.match(said, /^floodgate: the gateway cannot start: /);
    t.match(said, problem);
    t.notMatch(said, marker);
  });

  t.test(
    'whoever is lost meanwhile is replaced: token checks and the admin port go on',
    async (t) => {
      const token = textOf(await fleet.signIn('x'), 'access_token');
      const isAudited = () => fleet.logLines().some(({ audit }) => audit === 'login');
      await until('lines are written in blocks, and a kill takes the last', isAudited);
      const [edge = 0] = fleet.edgePids();
      process.kill(edge, 'SIGKILL');
      await until('another edge', async () => {
        const answer = await fleet.verify(token).catch(() => undefined);
        return answer?.status === 200 && !fleet.edgePids().includes(edge);
      });
      t.match(await fleet.login('x'), { status: 503, body: { error: 'no_node' } });
      t.equal((await fleet.admin('GET', '/nodes')).status, 200);
    },
  );

  t.test('LOG_LEVEL=warn keeps the audit lines, and levels are numbers everywhere', async (t) => {
    const lines = fleet.logLines();
    t.ok(lines.some(({ audit, level }) => audit === 'login' && level === 30));
    t.same(
      lines.filter(({ level }) => typeof level !== 'number'),
      [],
    );
  });
});
