/**
 * `floodgate drain` and `undrain` on the real programs: they say what node and registry say,
 * whichever gateway sent the work and whatever is away.
 */
import t from 'tap';
import { launchChild, programs } from '../children.mjs';
import { openLog } from '../logs.mjs';
import { preparePaths } from '../paths.mjs';
import { killGroup } from '../processes.mjs';
import { readAdminToken } from '../secrets.mjs';
import { gatewaySettings } from '../settings.mjs';
import { freePort, makeSite, realRoot, until } from './project.mjs';

t.setTimeout(120_000);

/** Seconds of work for whoever tries a password. */
const dearHash = `$pbkdf2-sha512$5000000$c29tZSBzYWx0$${'A'.repeat(86)}`;

const site = await makeSite(t, { root: realRoot });
const launcher = site.start({ NODES: '1', EDGES: '1', HASH_THREADS: '1' });
await launcher.ready();
const paths = preparePaths(site.env);

/** Another gateway of the same system. */
const startSecond = async () => {
  const [port, adminPort] = [await freePort(), await freePort()];
  const env = { ...site.env, PORT: String(port), ADMIN_PORT: String(adminPort), EDGES: '1' };
  const { identity, ready } = await launchChild({
    script: programs.gateway,
    env: { ...env, ...gatewaySettings(paths, env) },
    log: openLog(paths, 'second'),
  });
  t.teardown(() => killGroup(identity));
  await ready;
  return { port, adminPort };
};

const authorization = `Bearer ${readAdminToken(paths, site.env)}`;
const headers = { authorization, 'content-type': 'application/json' };
const post = (port, path, content) =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(content),
  });
const nodesSeenAt = async (port) =>
  (await (await fetch(`http://127.0.0.1:${port}/nodes`, { headers })).json()).nodes;
const heldByNode = async () => {
  const text = await (
    await fetch(`http://127.0.0.1:${site.adminPort}/metrics`, { headers })
  ).text();
  return Number(/^floodgate_node_inflight\{[^}]*\} (\d+)/m.exec(text)?.[1]);
};

t.test('a node that works for another gateway holds something', async (t) => {
  const second = await startSecond();
  const user = { username: 'dora', hash: dearHash };
  t.equal((await post(site.adminPort, '/users', user)).status, 201);
  const login = post(second.port, '/v1/login', { username: 'dora', password: 'not hers' });
  await until(async () => (await heldByNode()) === 1, 'the node works');
  t.equal((await nodesSeenAt(site.adminPort))[0].inflight, 0, 'not for this gateway');
  t.match(await site.floodgate('drain', 'node-1'), 'holds nothing any more');
  t.equal(await heldByNode(), 0);
  await login;
  t.match(await site.floodgate('undrain', 'node-1'), 'is back');
});

t.test('what the registry has not heard of is not said to be done', async (t) => {
  const redis = site.look().find(({ name }) => name === 'redis');
  process.kill(redis.pid, 'SIGSTOP');
  t.teardown(() => process.kill(redis.pid, 'SIGCONT'));
  const refused = { code: 1, stdout: '', stderr: /could not say so in the node registry/ };
  await t.rejects(site.floodgate('drain', 'node-1'), refused);
  await t.rejects(site.floodgate('undrain', 'node-1'), refused);
  process.kill(redis.pid, 'SIGCONT');
  t.match(await site.floodgate('undrain', 'node-1'), 'is back');
});

t.test('a node that does not answer is not said to hold nothing', async (t) => {
  const node = site.look().find(({ name }) => name === 'node-1');
  await site.floodgate('drain', 'node-1');
  process.kill(node.pid, 'SIGSTOP');
  t.teardown(() => process.kill(node.pid, 'SIGCONT'));
  await t.rejects(site.floodgate('drain', 'node-1'), { code: 1, stdout: '' });
});
