/**
 * The open-loop clients against servers that misbehave on purpose. (The benches that stand on them: tiny/.)
 */
import { createServer, type RequestListener } from 'node:http';
import t, { type Test } from 'tap';
import { createLoad, type Load } from '../open/load.js';
import { byPerson, countCodes, isServed, series } from '../open/samples.js';

// The machine may be slow.
t.setTimeout(180_000);

const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

const openServer = async (t: Test, answer: RequestListener): Promise<Load> => {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const target = { host: '127.0.0.1', port };
  const load = await createLoad({ target, groups: { all: [request], rare: [request] } });
  t.teardown(async () => {
    await load.stop();
    server.closeAllConnections();
    server.close();
  });
  return load;
};

t.test('arrivals do not wait for answers, and latency counts from the intended time', async (t) => {
  let atOnce = 0;
  let most = 0;
  const load = await openServer(t, (_, res) => {
    most = Math.max(most, ++atOnce);
    setTimeout(() => {
      atOnce--;
      res.end('{}');
    }, 200);
  });
  const { samples } = await load.run({
    phases: [{ perSecond: 200, durationMs: 500 }],
    mix: { all: 0.9, rare: 0.1 },
  });
  t.ok(samples.length > 50 && samples.length < 170, `${samples.length} arrivals`);
  t.ok(samples.every((sample) => isServed(sample) && sample.ms >= 199));
  t.ok(most > 20, `${most} at once`);
  t.ok(samples.some(({ group }) => group === 'rare'));
  const windows = series(samples, 250);
  t.equal(
    windows.reduce((sum, { sent }) => sum + sent, 0),
    samples.length,
  );
});

t.test('clients come back after what Retry-After asks for, and every try counts', async (t) => {
  const seen: number[] = [];
  const load = await openServer(t, (_, res) => {
    seen.push(performance.now());
    res.writeHead(503, { 'retry-after': '1' });
    res.end('{"error":"overloaded"}');
  });
  const { samples } = await load.run({ phases: [{ perSecond: 40, durationMs: 100 }], retries: 1 });
  const first = samples.filter(({ tries }) => tries === 0).length;
  t.equal(samples.length, 2 * first);
  t.equal(seen.length, samples.length);
  t.strictSame(Object.keys(countCodes(samples)), samples.length > 0 ? ['overloaded'] : []);
  t.ok(samples.every(({ tries, at }) => tries === 0 || at >= 1000));
});

t.test('who presses twice is one person, served by whichever answer serves', async (t) => {
  let count = 0;
  const load = await openServer(t, (_, res) => {
    const isEven = ++count % 2 === 0;
    if (isEven) res.writeHead(503);
    setTimeout(() => res.end(isEven ? '{"error":"overloaded"}' : '{}'), isEven ? 0 : 300);
  });
  const { samples } = await load.run({
    phases: [{ perSecond: 60, durationMs: 500 }],
    again: { share: 1, afterMs: 100 },
  });
  const people = byPerson(samples);
  t.equal(samples.length, 2 * people.length);
  t.equal(samples.length, count);
  for (const person of people) {
    const [first, second] = samples
      .filter((sample) => sample.person === person.person)
      .sort((a, b) => a.at - b.at);
    if (first === undefined || second === undefined) throw new Error('a person with one try');
    t.ok(Math.abs(second.at - first.at - 100) < 0.01);
    t.equal(person.at, first.at);
    t.equal(isServed(person), isServed(first) || isServed(second));
    if (isServed(first)) t.ok(person.ms <= first.ms);
    else if (isServed(second)) t.ok(Math.abs(person.ms - second.ms - 100) < 0.01);
  }
});

t.test('lost, refused and endless connections are told apart', async (t) => {
  let count = 0;
  const load = await openServer(t, (req, res) => {
    count++;
    if (count % 2 === 0) req.socket.destroy();
    else res.writeHead(200, { 'content-length': 10 }).write('12345');
  });
  const plan = { phases: [{ perSecond: 100, durationMs: 200 }], giveUpMs: 3000 };
  const { samples } = await load.run({ ...plan, closing: true });
  const codes = countCodes(samples);
  t.ok((codes.reset ?? 0) > 0 && (codes.gave_up ?? 0) > 0, JSON.stringify(codes));
  t.equal((codes.reset ?? 0) + (codes.gave_up ?? 0), samples.length);
  const nobody = await createLoad({
    target: { host: '127.0.0.1', port: 1 },
    groups: { all: [request] },
  });
  t.teardown(nobody.stop);
  const refused = await nobody.run({ phases: [{ perSecond: 100, durationMs: 100 }] });
  t.equal(countCodes(refused.samples).refused ?? 0, refused.samples.length);
});
