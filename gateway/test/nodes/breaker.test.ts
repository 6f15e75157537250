import t from 'tap';
import { createBreaker } from '../../nodes/breaker.js';

const steady = () => 0.5;
const create = (start: 'slow' | 'full' = 'full', now = 0) =>
  createBreaker({ start, now, random: steady });
type Breaker = ReturnType<typeof create>;

const failTimes = (breaker: Breaker, times: number, now: number) => {
  for (let i = 0; i < times; i++) breaker.failed(now);
};
const probe = (breaker: Breaker, isAlive: boolean, now: number, isReplaceable = true) =>
  breaker.probeEnded(breaker.probeStarted(now), isAlive, now, isReplaceable);
const reopen = (breaker: Breaker, now: number) => {
  probe(breaker, true, now);
  probe(breaker, true, now);
  failTimes(breaker, 5, now);
};

t.test('five failures in a row open it, a success in between does not', async (t) => {
  const breaker = create();
  failTimes(breaker, 4, 0);
  breaker.succeeded(0);
  failTimes(breaker, 4, 0);
  t.equal(breaker.isOpen(), false);
  breaker.failed(0);
  t.equal(breaker.isOpen(), true);
});

t.test('more failures than successes in ten seconds open it, from 20 samples on', async (t) => {
  const breaker = create();
  for (let i = 0; i < 9; i++) {
    breaker.failed(i * 100);
    breaker.succeeded(i * 100);
  }
  breaker.failed(900);
  t.equal(breaker.isOpen(), false, '19 samples');
  breaker.succeeded(900);
  t.equal(breaker.isOpen(), false, 'exactly half');
  breaker.failed(950);
  t.equal(breaker.isOpen(), true);
});

t.test('failures from before an idle time do not count', async (t) => {
  const breaker = create();
  for (let i = 0; i < 6; i++) {
    failTimes(breaker, 2, 0);
    breaker.succeeded(0);
  }
  for (let i = 0; i < 8; i++) {
    breaker.failed(60_000);
    breaker.succeeded(60_000);
  }
  t.equal(breaker.isOpen(), false);
});

t.test('the first opening is probed at once, two probes in a row close it', async (t) => {
  const breaker = create();
  failTimes(breaker, 5, 1000);
  t.equal(breaker.at(1000).kind, 'half-open');
  t.equal(breaker.probeDue(1000, false), true);
  probe(breaker, true, 1000);
  t.equal(breaker.probeDue(1400, false), false, 'not before 500 ms ± 25 %');
  t.equal(breaker.probeDue(1500, false), true);
  probe(breaker, false, 1500);
  probe(breaker, true, 2000);
  t.equal(breaker.at(2000).kind, 'half-open', 'a failed one starts the count again');
  probe(breaker, true, 2500);
  t.equal(breaker.at(2500).kind, 'closed');
});

t.test('only one probe is under way at a time', async (t) => {
  const breaker = create();
  failTimes(breaker, 5, 0);
  const ticket = breaker.probeStarted(0);
  t.equal(breaker.probeDue(5000, false), false);
  breaker.probeEnded(ticket, false, 5000, true);
  t.equal(breaker.probeDue(5000, false), true);
});

t.test('closing goes through a slow start, 10 to 100 % in 10 s', async (t) => {
  const breaker = create();
  t.equal(breaker.factor(0), 1);
  failTimes(breaker, 5, 0);
  probe(breaker, true, 0);
  probe(breaker, true, 1000);
  t.equal(breaker.isRamping(1000), true);
  t.equal(breaker.factor(1000), 0.1);
  t.equal(breaker.factor(6000), 0.5);
  t.equal(breaker.factor(11_000), 1);
  t.equal(breaker.isRamping(11_000), false);
});

t.test(
  'a node that joins starts slowly, one that was there before the edge does not',
  async (t) => {
    t.equal(create('slow', 500).factor(500), 0.1);
    t.equal(create('slow', 500).at(500).kind, 'closed');
    t.equal(create('full', 500).factor(500), 1);
  },
);

t.test('re-opening waits 1 s, 2 s, 4 s … 30 s before it is probed again', async (t) => {
  const breaker = create();
  failTimes(breaker, 5, 0);
  let now = 0;
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    reopen(breaker, now);
    t.equal(breaker.probeDue(now + seconds * 1000 - 1, false), false);
    now += seconds * 1000;
    t.equal(breaker.probeDue(now, false), true);
  }
});

t.test('each 30 s of health take back one step', async (t) => {
  const breaker = create();
  failTimes(breaker, 5, 0);
  for (const now of [0, 1000]) reopen(breaker, now);
  t.equal(breaker.at(2999).kind, 'open');
  probe(breaker, true, 3000);
  probe(breaker, true, 3000);
  failTimes(breaker, 5, 93_000);
  t.equal(breaker.at(93_000).kind, 'half-open', 'three steps back: as at first');
});

t.test('a late probe cannot close a reopened breaker', async (t) => {
  const breaker = create();
  failTimes(breaker, 5, 0);
  probe(breaker, true, 0);
  probe(breaker, true, 500);
  t.equal(breaker.at(500).kind, 'closed');
  const late = breaker.probeStarted(600);
  failTimes(breaker, 5, 700);
  const opened = breaker.at(1700);
  t.equal(opened.kind, 'half-open');
  breaker.probeEnded(late, true, 1700, true);
  t.same(breaker.at(1700), opened, 'it does not count');
  probe(breaker, true, 1800);
  t.equal(breaker.at(1800).kind, 'half-open', 'not even as the first of two');
});

t.test('stragglers and requests sent in panic do not touch an open breaker', async (t) => {
  const breaker = create();
  failTimes(breaker, 5, 0);
  failTimes(breaker, 20, 100);
  for (let i = 0; i < 20; i++) breaker.succeeded(100);
  t.equal(breaker.at(100).kind, 'half-open');
  probe(breaker, true, 100);
  probe(breaker, true, 600);
  t.equal(breaker.at(600).kind, 'closed');
});

t.test('suspect after max(4 × service, 400 ms) of silence, and then probed', async (t) => {
  const breaker = create();
  t.equal(breaker.isSuspect(400, 10), false);
  t.equal(breaker.isSuspect(401, 10), true);
  t.equal(breaker.isSuspect(800, 200), false);
  t.equal(breaker.isSuspect(801, 200), true);
  t.equal(breaker.probeDue(0, true), true);
  t.equal(breaker.probeDue(0, false), false);
});

t.test('a silent node whose probe fails is open, when another node is well', async (t) => {
  const breaker = create();
  probe(breaker, false, 0);
  t.equal(breaker.isOpen(), true, 'without a user request');
  const last = create();
  for (let i = 0; i < 4; i++) probe(last, false, i * 500, false);
  t.equal(last.isOpen(), false, 'the last one may only be busy');
  probe(last, false, 2000, false);
  t.equal(last.isOpen(), true, 'a failure it is all the same');
});

t.test('a passed probe does not excuse requests that fail', async (t) => {
  const breaker = create();
  failTimes(breaker, 4, 0);
  probe(breaker, true, 0);
  breaker.failed(0);
  t.equal(breaker.isOpen(), true);
});
