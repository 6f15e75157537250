/**
 * The manifest of ops/kubernetes taken at its word: the Secrets of docs/kubernetes.md as files, its
 * commands with its environment, its probes as the kubelet asks them, and the kubelet's way to stop.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
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

type EnvVar = { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } };
type Probe = { httpGet?: { path: string; port: string }; exec?: { command: string[] } };
type Container = {
  image: string;
  command: string[];
  ports: { name: string; containerPort: number }[];
  env: EnvVar[];
  readinessProbe: Probe;
  livenessProbe?: Probe;
  volumeMounts: { name: string; mountPath: string }[];
};
type Volume = {
  name: string;
  emptyDir?: object;
  secret?: { secretName: string; items?: { key: string; path: string }[] };
};
type Workload = {
  kind: string;
  metadata: { name: string };
  spec: {
    template: {
      spec: { terminationGracePeriodSeconds: number; containers: Container[]; volumes: Volume[] };
    };
  };
};

const workload = (kind: string) => {
  const all = parseAllDocuments(text('ops/kubernetes/floodgate.yaml'));
  const found = all.map((one) => one.toJS() as Workload).find((one) => one.kind === kind);
  const pod = found?.spec.template.spec;
  const [container] = pod?.containers ?? [];
  if (found === undefined || pod === undefined || container === undefined)
    throw new Error(`the manifest has no ${kind}`);
  return { name: found.metadata.name, pod, container };
};
const gateway = workload('Deployment');
const node = workload('StatefulSet');
const site = mkdtempSync(join(tmpdir(), 'fg-k8s-'));
t.teardown(() => rmSync(site, { recursive: true, force: true }));

/** The lines of all commands on a page of docs. */
const commandsOf = (page: string): string[] =>
  [...text(page).matchAll(/```(?:sh)?\n([^`]+)```/g)].flatMap(([, block = '']) =>
    block.split('\n'),
  );

/** A Redis with the users of docs/redis.md; `urlOf` a user. */
const startUsersRedis = async (t: Test) => {
  const users = commandsOf('docs/redis.md').filter((line) => line.startsWith('ACL SETUSER'));
  t.equal(users.length, 2);
  const rules = users.flatMap((line) => ['--user', ...line.split(' ').slice(2)]);
  const redis = await startRedis(t, rules);
  return { urlOf: (user: string) => redis.url.replace('localhost', `${user}:PASSWORD@localhost`) };
};

/** As the documented commands make them, in `site` in place of the project. */
const makeSecrets = async (urlOf: (user: string) => string) => {
  const env = { PATH: process.env.PATH, DATA_DIR: join(site, '.data') };
  const commands = commandsOf('docs/kubernetes.md');
  for (const [, script = '', ...args] of commands.map((command) => command.split(' ')))
    if (script === 'ops/floodgate.mjs')
      await run(process.execPath, [join(root, script), ...args], { env });
  for (const user of ['gateway', 'worker'])
    writeFileSync(join(site, `.data/secrets/redis-${user}-url`), `${urlOf(user)}\n`);
  for (const command of commands) {
    const name = /^kubectl create secret generic (\S+)/.exec(command)?.[1];
    if (name === undefined) continue;
    mkdirSync(secretDir(name), { recursive: true });
    for (const [, path = ''] of command.matchAll(/--from-file=(\S+)/g))
      copyFileSync(join(site, path), join(secretDir(name), basename(path)));
  }
};
const secretDir = (name: string): string => join(site, 'secrets', name);

/** A directory with what the volume holds. */
const mount = (dir: string, volume: Volume | undefined) => {
  mkdirSync(dir, { recursive: true });
  if (volume?.secret === undefined) return;
  const from = secretDir(volume.secret.secretName);
  const items = volume.secret.items ?? readdirSync(from).map((key) => ({ key, path: key }));
  for (const { key, path } of items) copyFileSync(join(from, key), join(dir, path));
};

/** What a container sees: other directories and ports than it says, and `more`; all else as the manifest has it. */
const makePod = async ({ name, pod, container }: typeof node, more: Env = {}) => {
  const dirs = container.volumeMounts.map(({ name: volume, mountPath }) => {
    const dir = join(site, 'pods', name, volume);
    mount(
      dir,
      pod.volumes.find((one) => one.name === volume),
    );
    return { mountPath, dir };
  });
  const ports = await Promise.all(
    container.ports.map(async (one) => ({ ...one, hostPort: await freePort() })),
  );
  const fields: Record<string, string> = {
    'metadata.name': `${name}-0`,
    'status.podIP': '127.0.0.1',
  };
  const here = (value: string): string => {
    let there = value.replace('$(POD_IP)', '127.0.0.1');
    for (const { mountPath, dir } of dirs) there = there.replaceAll(mountPath, dir);
    for (const { containerPort, hostPort } of ports)
      there = there.replace(new RegExp(`(^|:)${containerPort}$`), `$1${hostPort}`);
    return there;
  };
  const env: Env = { PATH: process.env.PATH, ADMIN_PORT: String(await freePort()) };
  for (const { name: variable, value, valueFrom } of container.env)
    env[variable] = here(value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''] ?? '');
  Object.assign(env, more);

  const start = () => startProgram(t, container.command.slice(1), env);
  const urlOf = (port: string): string =>
    `http://127.0.0.1:${ports.find(({ name: known }) => known === port)?.hostPort}`;
  const isWell = async ({ httpGet, exec }: Probe): Promise<boolean> => {
    const [file = '', ...rest] = exec?.command.map(here) ?? [];
    if (exec) return run(file, rest, { env }).then(Boolean, () => false);
    return (await statusOf(`${urlOf(httpGet?.port ?? '')}${httpGet?.path}`)) === 200;
  };
  const { readinessProbe, livenessProbe = readinessProbe } = container;
  return {
    ...{ env, start, url: urlOf('http') },
    isReady: () => isWell(readinessProbe),
    isAlive: () => isWell(livenessProbe),
  };
};

t.test('both programs start, serve and stop as the manifest says', async (t) => {
  const { urlOf } = await startUsersRedis(t);
  await makeSecrets(urlOf);
  const nodePod = await makePod(node);
  t.notOk(await nodePod.isReady(), 'a pod that has not started is not ready');
  const worker = nodePod.start();
  await until('the node is ready', nodePod.isReady, 30_000);
  const gatewayPod = await makePod(gateway, { EDGES: '1', STOP_DELAY: '2s' });
  const server = gatewayPod.start();
  await until('the gateway is ready', gatewayPod.isReady, 30_000);

  await until('a login reaches the node', async () => (await login(gatewayPod.url)) === 401);
  t.ok(await gatewayPod.isAlive());
  // As in the pod, where nothing can be written: below a file there is no directory to make.
  const env = { ...gatewayPod.env, DATA_DIR: join(root, 'package.json') };
  const { stdout } = await run(process.execPath, ['ops/floodgate.mjs', 'nodes'], {
    cwd: root,
    env,
  });
  t.match(stdout, `${node.name}-0`);

  server.child.kill('SIGTERM');
  const readiness = `${gatewayPod.url}/readyz`;
  await until('it says that it goes', async () => (await statusOf(readiness)) === 503);
  await until('and serves on', async () => (await login(gatewayPod.url)) === 401);
  t.equal(await server.exited, 0);
  worker.child.kill('SIGTERM');
  t.equal(await worker.exited, 0);
  t.notMatch(server.log() + worker.log(), /stop step is late|uncaught/);
});

t.test('the kubelet gives them the time that the README asks for', async (t) => {
  const given = ({ pod }: typeof node) => `${pod.terminationGracePeriodSeconds}`;
  t.same({ gateway: given(gateway), node: given(node) }, secondsToStop());
});

t.test('every variable is a setting, and both run the same image', async (t) => {
  for (const { name } of gateway.container.env) t.ok(isSetting(name, 'gateway'), name);
  for (const { name } of node.container.env)
    t.ok(name === 'POD_IP' || isSetting(name, 'node'), name);
  t.equal(gateway.container.image, node.container.image);
  const version = JSON.parse(text('package.json')).version;
  t.ok(node.container.image.endsWith(`:${version}`), 'of this version');
});
