/**
 * Real nginx and HAProxy in front of an upstream, with the configurations of docs/forward-auth.md, and
 * the requests that Traefik, Caddy and Envoy are known to send.
 */
import { spawn } from 'node:child_process';
import { pbkdf2Sync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { send } from '../request.js';
import { type Fleet, freePort, password, startFleet, textOf, until } from './fleet.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const doc = readFileSync(join(root, 'docs/forward-auth.md'), 'utf8');

/** The one block of the page in this language. */
const snippet = (language: string): string => {
  const blocks = [...doc.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))];
  if (blocks.length !== 1) throw new Error(`${blocks.length} blocks of ${language}`);
  return blocks[0]?.[1] ?? '';
};

const find = (name: string): string | undefined => {
  const dirs = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return dirs.map((dir) => join(dir, name)).find((path) => existsSync(path));
};

/** The program, or undefined after skipping the test; in CI a missing one is a failure. */
const need = (t: Test, name: string): string | undefined => {
  const path = find(name);
  if (path === undefined && process.env.CI) t.fail(`${name} is not installed`);
  else if (path === undefined) t.pass(`skipped: ${name} is not installed`, { skip: name });
  return path;
};

const isOpen = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });

/** Runs until the test ends; it must take connections first. */
const run = async (t: Test, command: string[], { cwd, port }: { cwd: string; port: number }) => {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      output += data;
    });
  const exited = new Promise((done) => child.once('exit', done));
  t.teardown(async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(timer);
    rmSync(cwd, { recursive: true, force: true });
  });
  const start = until(`${file} takes connections`, () => isOpen(port));
  await start.catch((error: Error) => t.fail(`${error.message}\n${output}`));
};

/** Says what arrived. */
const startUpstream = async (t: Test) => {
  const seen: { url: string; method: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((req, res) => {
    seen.push({ url: req.url ?? '', method: req.method ?? '', headers: req.headers });
    req.resume().once('end', () => res.end('upstream'));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, seen };
};
type Upstream = Awaited<ReturnType<typeof startUpstream>>;

const place = (text: string, ports: Record<number, number>): string =>
  text.replace(/127\.0\.0\.1:(\d+)/g, (all, port) => {
    const real = ports[Number(port)];
    return real === undefined ? all : `127.0.0.1:${real}`;
  });

const startNginx = async (t: Test, path: string, ports: Record<number, number>) => {
  const cwd = mkdtempSync(join(tmpdir(), 'fg-nginx-'));
  mkdirSync(join(cwd, 'temp'));
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${cwd}/temp/${name};`)
    .join('\n');
  const main = `pid ${cwd}/pid;\nerror_log stderr warn;\ndaemon off;\nmaster_process off;\n`;
  const config = `${main}events {}\nhttp {\naccess_log off;\n${temps}\n${snippet('nginx')}\n}\n`;
  writeFileSync(join(cwd, 'nginx.conf'), place(config, ports));
  const command = [path, '-p', cwd, '-e', 'stderr', '-c', join(cwd, 'nginx.conf')];
  await run(t, command, { cwd, port: ports[8000] ?? 0 });
};

const startHaproxy = async (t: Test, path: string, ports: Record<number, number>) => {
  const cwd = mkdtempSync(join(tmpdir(), 'fg-haproxy-'));
  writeFileSync(join(cwd, 'haproxy.cfg'), place(snippet('haproxy'), ports));
  writeFileSync(join(cwd, 'forward-auth.lua'), snippet('lua'));
  await run(t, [path, '-db', '-f', 'haproxy.cfg'], { cwd, port: ports[8000] ?? 0 });
};

const forged = {
  ...{ 'x-auth-user': 'u_admin', 'X-Auth-Session': 'forged', 'x-auth-scope': 'admin' },
  ...{ 'x-auth-client': 'forged', x_auth_user: 'u_admin', 'X_Auth-Scope': 'admin' },
};

const signInWithCookie = async (fleet: Fleet): Promise<string> => {
  const body = JSON.stringify({ username: 'alice', password, cookie: true });
  const headers = { 'content-type': 'application/json' };
  let cookie = '';
  await until('a cookie', async () => {
    const heard = await send(fleet.port, '/v1/login', { method: 'POST', headers, body });
    cookie = heard.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    return heard.status === 200;
  });
  return cookie;
};

const underscored = (headers: IncomingHttpHeaders) =>
  Object.keys(headers).filter((name) => name.includes('_'));

/** What must hold whatever stands in front. */
const contract = async (t: Test, fleet: Fleet, { port, seen }: Upstream, proxy: number) => {
  const answer = await fleet.signIn('alice');
  const token = textOf(answer, 'access_token');
  const bearer = { authorization: `Bearer ${token}` };
  const last = () => seen.at(-1)?.headers ?? {};
  t.not(port, proxy);

  const good = await send(proxy, '/orders?x=1', { headers: { ...bearer, ...forged } });
  t.equal(good.status, 200, good.text);
  t.equal(good.text, 'upstream');
  t.equal(seen.at(-1)?.url, '/orders?x=1');
  t.match(last(), {
    'x-auth-user': textOf(answer, 'user_id'),
    'x-auth-session': textOf(answer, 'session_id'),
    'x-auth-scope': 'account',
    'x-auth-client': 'floodgate',
  });
  t.strictSame(underscored(last()), [], 'no twin with an underscore');

  const body = '{"large":"x"}';
  const posted = await send(proxy, '/orders', { method: 'POST', headers: bearer, body });
  t.equal(posted.status, 200);
  t.equal(seen.at(-1)?.method, 'POST');

  const cookie = await signInWithCookie(fleet);
  t.equal((await send(proxy, '/', { headers: { cookie } })).status, 200);
  t.equal(last()['x-auth-user'], textOf(answer, 'user_id'));

  const before = seen.length;
  const none = await send(proxy, '/orders', { headers: forged });
  t.equal(none.status, 401);
  t.equal(none.headers['www-authenticate'], 'Bearer realm="floodgate"');
  const bad = await send(proxy, '/', { headers: { authorization: 'Bearer ey.x.y' } });
  t.equal(bad.status, 401);
  t.match(bad.headers['www-authenticate'], /error="invalid_token"/);
  t.equal(seen.length, before, 'nothing reached the upstream');

  await fleet.post('/v1/logout', {}, token);
  await until('the token is dead', async () => {
    return (await send(proxy, '/', { headers: bearer })).status === 401;
  });
  return cookie;
};

const hashOf = (secret: string): string => {
  const hash = pbkdf2Sync(secret, 'salt', 20_000, 32, 'sha256').toString('base64');
  return `pbkdf2_sha256$20000$salt$${hash}`;
};

/** A user without the scope that the configurations demand. */
const missingScope = async (t: Test, fleet: Fleet, proxy: number) => {
  const token = textOf(await fleet.signIn('bob'), 'access_token');
  const heard = await send(proxy, '/', { headers: { authorization: `Bearer ${token}` } });
  t.equal(heard.status, 403);
  t.match(heard.headers['www-authenticate'], /error="insufficient_scope".*scope="account"/);
};

/** The requests that proxies send which are not at hand. */
const otherProxies = async (t: Test, fleet: Fleet) => {
  const answer = await fleet.signIn('alice');
  const authorization = `Bearer ${textOf(answer, 'access_token')}`;
  const user = textOf(answer, 'user_id');
  const original = '/orders/1?headers=remote&scope=admin';
  const forwarded = {
    ...{ 'x-forwarded-method': 'DELETE', 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' },
    ...{ 'x-forwarded-host': 'app.example', 'x-forwarded-uri': original },
    ...{ 'x-forwarded-for': '192.0.2.7', 'x-real-ip': '192.0.2.7', host: '127.0.0.1:8080' },
  };
  const cases: { name: string; path: string; method?: string; headers: Record<string, string> }[] =
    [
      {
        name: 'Traefik ForwardAuth',
        path: '/v1/verify?scope=account',
        headers: { ...forwarded, 'x-forwarded-server': 'traefik', 'accept-encoding': 'gzip' },
      },
      {
        name: 'Caddy forward_auth',
        path: '/v1/verify?scope=account',
        headers: { ...forwarded, 'content-type': 'text/plain', via: '2.0 Caddy' },
      },
      {
        name: 'Envoy ext_authz',
        path: `/v1/require/scope=account${original}`,
        method: 'DELETE',
        headers: {
          ...{ host: 'app.example', 'content-length': '0', 'x-envoy-internal': 'true' },
          ...{ 'x-forwarded-for': '192.0.2.7', 'x-envoy-expected-rq-timeout-ms': '1000' },
        },
      },
      {
        name: 'Envoy without a demand',
        path: `/v1/verify${original}`,
        method: 'OPTIONS',
        headers: { host: 'app.example', 'content-length': '0' },
      },
    ];
  for (const { name, path, headers, method = 'GET' } of cases) {
    const ask = (more: Record<string, string>) =>
      send(fleet.port, path, { method, headers: { ...headers, ...forged, ...more } });
    const good = await ask({ authorization });
    t.equal(good.status, 200, `${name}: ${good.text}`);
    t.equal(good.headers['x-auth-user'], user, name);
    t.notOk(good.headers['remote-user'], name);
    t.equal((await ask({})).status, 401, name);
    t.equal((await ask({ authorization: 'Bearer ey.x.y' })).status, 401, name);
  }
};

/** Something that takes connections and never answers. */
const hangAt = async (t: Test, port: number) => {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket.on('error', () => {}));
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
};

t.setTimeout(300_000);

t.test('forward-auth, configured as documented', async (t) => {
  const fleet = await startFleet(t, { nodes: 1, edges: 2 });
  await fleet.register('alice');
  await fleet.importUser('bob', hashOf(password), { scopes: 'other' });
  const upstream = await startUpstream(t);
  const running: { proxy: number; cookie: string }[] = [];

  for (const [name, start] of [
    ['nginx', startNginx],
    ['haproxy', startHaproxy],
  ] as const) {
    const path = need(t, name);
    if (path === undefined) continue;
    const proxy = await freePort();
    await start(t, path, { 8000: proxy, 8080: fleet.port, 9000: upstream.port });
    await t.test(name, async (t) => {
      const cookie = await contract(t, fleet, upstream, proxy);
      await missingScope(t, fleet, proxy);
      running.push({ proxy, cookie });
    });
  }

  await t.test('Traefik, Caddy and Envoy, as they ask', (t) => otherProxies(t, fleet));

  await t.test('Floodgate gone or hanging: 503, not 401 and no way in', async (t) => {
    const { child, exited } = fleet.gateway();
    child.kill('SIGTERM');
    await exited;
    const refused = async () => {
      for (const { proxy, cookie } of running) {
        const heard = await send(proxy, '/', { headers: { cookie } });
        t.equal(heard.status, 503);
        t.equal(heard.headers['retry-after'], '1');
      }
    };
    await refused();
    await hangAt(t, fleet.port);
    await refused();
  });
});
