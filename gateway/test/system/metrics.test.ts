/** What a scrape shows of a whole gateway while its processes come and go. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { decided, type Fleet, isAlive, startFleet, textOf, until } from './fleet.js';

t.setTimeout(180_000);

type Labels = Record<string, string>;
type Row = { name: string; labels: Labels; value: number };

const readRow = (line: string): Row[] => {
  const [, name = '', text = '', value = ''] =
    /^floodgate_(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  const pairs = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, found]) => [key, found]);
  return name === '' ? [] : [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
};

/** Of a series that is there twice, Prometheus drops one. */
const checkSeries = (lines: readonly string[]) => {
  const seen = new Set<string>();
  for (const line of lines.filter((one) => /^[a-z]/.test(one))) {
    const series = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(series)) throw new Error(`${series} is there twice`);
    seen.add(series);
  }
};

const scrape = async (fleet: Fleet) => {
  const lines = (await fleet.metrics()).split('\n');
  checkSeries(lines);
  const rows = lines.flatMap(readRow);
  const find = (name: string, labels: Labels = {}) =>
    rows.filter(
      (row) =>
        row.name === name && Object.entries(labels).every(([key, at]) => row.labels[key] === at),
    );
  return {
    find,
    sum: (name: string, labels: Labels = {}) =>
      find(name, labels).reduce((sum, { value }) => sum + value, 0),
    /** Where series of this metric come from. */
    edges: (name: string) => [...new Set(find(name).map(({ labels }) => labels.edge))].sort(),
  };
};

const firstEdge = (fleet: Fleet): number => {
  const [pid] = fleet.edgePids();
  if (pid === undefined) throw new Error('there is no edge');
  return pid;
};

const verify = { route: '/v1/verify' };
const answered = { state: 'answered' };
const expected = { state: 'expected' };

const fleet = await startFleet(t, { nodes: 2, edges: 2 });
await fleet.register('x');
const token = textOf(await fleet.signIn('x'), 'access_token');

t.test('each process has its series, and the gateway as a whole its own', async (t) => {
  await until('both edges have checked a token', async () => {
    // A connection each: whoever is awake takes it.
    await Promise.all(Array.from({ length: 20 }, () => fleet.verify(token)));
    const seen = (await scrape(fleet)).edges('requests_total');
    return seen.includes('1') && seen.includes('2');
  });
  const { find, sum, edges } = await scrape(fleet);
  t.strictSame(edges('process_cpu_seconds_total'), ['1', '2', 'admin', undefined]);
  t.strictSame(edges('node_breaker_state'), ['1', '2'], 'of those that send logins');
  t.strictSame(edges('node_forwards_inflight'), ['1', '2']);
  t.strictSame(edges('connections'), ['1', '2']);
  t.strictSame(edges('revocation_log_age_seconds'), ['1', '2']);
  t.equal(sum('node_breaker_state', { state: 'closed', node: 'node-1' }), 2);
  t.strictSame([sum('edges', answered), sum('edges', expected)], [2, 2]);
  const late = find('loop_late_seconds').map(({ labels }) => labels.edge ?? labels.node);
  t.strictSame(late.sort(), ['1', '2', 'admin', 'node-1', 'node-2']);
  t.equal(find('nodejs_eventloop_lag_seconds').length, 0);
});

t.test('an edge that dies takes no other series with it, and its successor goes on', async (t) => {
  const before = await scrape(fleet);
  const victim = firstEdge(fleet);
  process.kill(victim, 'SIGKILL');
  const isGone = () => !fleet.edgePids().includes(victim);
  const isWhole = async () => (await scrape(fleet)).sum('edges', answered) === 2;
  await until('a successor', async () => isGone() && (await isWhole()), 30_000);
  const after = await scrape(fleet);
  const startOf = (scraped: typeof after, edge: string) =>
    scraped.sum('process_start_time_seconds', { edge });
  const changed = ['1', '2'].filter((edge) => startOf(before, edge) !== startOf(after, edge));
  t.equal(changed.length, 1, 'one place has another process');
  for (const edge of ['1', '2', 'admin'].filter((place) => !changed.includes(place)))
    for (const { name, labels, value } of before.find('requests_total', { edge }))
      t.ok(after.sum(name, labels) >= value, `${JSON.stringify(labels)} does not fall`);
  t.equal(after.edges('process_cpu_seconds_total').length, 4, 'and there is no third place');
});

t.test('an edge that hangs is missing, and only that one', async (t) => {
  const before = await scrape(fleet);
  const hung = firstEdge(fleet);
  process.kill(hung, 'SIGSTOP');
  const during = await scrape(fleet);
  // Who takes too long is killed, which may be before we are here.
  if (isAlive(hung)) process.kill(hung, 'SIGCONT');
  t.strictSame([during.sum('edges', answered), during.sum('edges', expected)], [1, 2]);
  const [there = ''] = during.edges('connections');
  const of = { ...verify, edge: there };
  t.ok(during.sum('requests_total', of) >= before.sum('requests_total', of));
});

t.test('what became of the attempts at a node that died can still be read', async (t) => {
  // One account mostly goes to one node.
  t.equal((await decided(() => fleet.login('x'))).status, 200);
  const before = await scrape(fleet);
  const sent = (node: string) => before.sum('node_forwards_total', { node });
  const at = sent('node-1') > sent('node-2') ? 0 : 1;
  const of = { node: `node-${at + 1}` };
  fleet.nodes[at]?.child.kill('SIGKILL');
  t.equal((await decided(() => fleet.login('x'))).status, 200);
  await until('it has left everywhere', async () => {
    const { find } = await scrape(fleet);
    return find('node_slots', of).length + find('node_breaker_state', of).length === 0;
  });
  t.ok(sent(of.node) > 0);
  const { sum } = await scrape(fleet);
  t.ok(sum('node_forwards_total', of) >= sent(of.node), 'no sum falls');
});

t.test('the admin port knows no proxies: it goes by who is connected, in silence', async (t) => {
  const to = `http://127.0.0.1:${fleet.adminPort}`;
  const token = String(fleet.env.ADMIN_TOKEN);
  const asked = await fleet.call('POST', '/keys/rotate', { revoke: 5 }, token, to, '192.0.2.7');
  t.equal(asked.status, 400);
  const isLine = ({ audit }: Record<string, unknown>) => audit === 'admin_key';
  await until('its audit line', () => fleet.logLines().some(isLine));
  t.match(fleet.logLines().find(isLine), { client: '127.0.0.1', outcome: 'bad_request' });
  const { edges } = await scrape(fleet);
  t.strictSame(edges('address_limits_off_total'), ['1', '2'], 'counted by edges alone');
  const warned = fleet.logLines().filter(({ msg }) => /TRUSTED_PROXIES/.test(String(msg)));
  t.strictSame(warned, []);
});

/** Resolves when it is open, or cut off. */
const join = async (t: Test, port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
};

t.test('who sends too many requests without waiting for answers is counted', async (t) => {
  const socket = await join(t, fleet.port);
  // Who fails is not answered at once.
  const body = JSON.stringify({ username: 'nobody', password: 'not the right one' });
  const head = 'POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json';
  const ask = `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  socket.resume().write(ask.repeat(30));
  const count = async () =>
    (await scrape(fleet)).sum('connections_refused_total', { reason: 'pipeline' });
  await until('it is counted', async () => (await count()) > 0);
  t.equal(await count(), 1, 'once');
});

t.test('who is cut off for having too many connections is counted', async (t) => {
  // Two edges, and each takes a hundred of one client.
  await Promise.all(Array.from({ length: 230 }, () => join(t, fleet.port)));
  await until('they are counted', async () => {
    const { sum } = await scrape(fleet);
    return sum('connections_refused_total', { reason: 'client' }) >= 30;
  });
  const { sum, find } = await scrape(fleet);
  const open = sum('connections');
  t.ok(open >= 100 && open <= 200, `${open} connections`);
  t.equal(find('connections_refused_total', { reason: 'all' }).length, 2, 'zero is a value');
});
