/** Who takes a connection: an edge that is awake; and in the end all edges have their share. */
import http from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { startFleet, textOf, until } from './fleet.js';

const connections = 20;

t.setTimeout(120_000);

t.test('a stopped edge takes no connections, and its share afterwards', async (t) => {
  const fleet = await startFleet(t, { nodes: 1, edges: 2 });
  await fleet.register('x');
  const authorization = `Bearer ${textOf(await fleet.signIn('x'), 'access_token')}`;
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  t.teardown(() => agent.destroy());

  /** Status and edge: request ids begin with what is the process's own. */
  const ask = () =>
    new Promise<{ status: unknown; edge: string }>((resolve) => {
      const url = new URL('/v1/verify', fleet.base);
      const request = http.get(url, { agent, headers: { authorization } }, (response) => {
        response.resume();
        const edge = String(response.headers['x-request-id']).slice(0, 12);
        response.on('end', () => resolve({ status: response.statusCode, edge }));
      });
      request.on('error', (error) => resolve({ status: error.message, edge: '' }));
    });
  const failed: unknown[] = [];
  /** How many of as many requests as there are connections each edge answers. */
  const count = async () => {
    const byEdge = new Map<string, number>();
    const answers = await Promise.all(Array.from({ length: connections }, ask));
    for (const { status, edge } of answers) {
      if (status !== 200) failed.push(status);
      byEdge.set(edge, (byEdge.get(edge) ?? 0) + 1);
    }
    return [...byEdge.values()];
  };

  const [stopped] = fleet.edgePids();
  process.kill(stopped ?? 0, 'SIGSTOP');
  const first = await count();
  process.kill(stopped ?? 0, 'SIGCONT');
  t.same(first, [connections], 'the other one has them all');
  // Where nothing else is idle, clients mostly come out again at the edge that runs anyway.
  await until(
    'each has a part of them',
    async () => {
      const now = await count();
      return now.length === 2 && Math.max(...now) <= (connections / 2) * 1.25 + 1;
    },
    60_000,
  );
  t.same(failed, [], 'no request has noticed');
  t.ok(fleet.edgePids().includes(stopped ?? 0), 'both edges are the same as before');
});

t.test('an address with too many connections is cut off, and the log says so once', async (t) => {
  const fleet = await startFleet(t, { nodes: 1, edges: 1 });
  const sockets = Array.from({ length: 110 }, () => connect(fleet.port, '127.0.0.1'));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => {});
  const lines = () => fleet.logLines().filter(({ msg }) => /cut off/.test(String(msg)));
  await until('a line', () => lines().length > 0);
  await until('ten are closed', () => sockets.filter(({ closed }) => closed).length >= 10);
  t.match(lines(), [{ level: 40, msg: /TRUSTED_PROXIES/ }]);
  t.equal(lines().length, 1);
});
