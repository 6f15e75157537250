import t from 'tap';
import { type WorkClass, workClasses } from '../../../shared/protocol.js';
import { createLoad } from '../../nodes/load.js';

const report = (inflight: number, serviceMs = 10) => ({
  inflight,
  queueMs: 0,
  serviceMs,
  slots: 2,
});

t.test('a fresh report counts, and what this edge has sent since is added', async (t) => {
  const load = createLoad(2);
  load.sent(0, 'login');
  load.ended('login');
  load.heard(0, report(5));
  t.equal(load.view(200), 5);
  load.sent(200, 'login');
  t.equal(load.view(200), 6);
});

t.test('who gives up early does not make a node look silent', async (t) => {
  const load = createLoad(2);
  load.sent(0, 'login');
  load.sent(0, 'login');
  load.ended('login');
  load.abandoned();
  t.equal(load.silentMs(500), 500, 'another one still waits');
  load.ended('login');
  load.abandoned();
  t.equal(load.silentMs(1000), 0);
  load.lost();
  load.abandoned();
  t.ok(load.silentMs(1000) > 0, 'it cannot be reached, whoever gives up');
});

t.test('an old report fades, but never below what this edge has in flight', async (t) => {
  const load = createLoad(2);
  load.heard(0, report(8));
  t.equal(load.view(250), 8);
  t.ok(Math.abs(load.view(500) - 8 / Math.E) < 0.01);
  t.ok(load.view(5000) < 0.001);
  for (let i = 0; i < 3; i++) load.sent(5000, 'login');
  t.ok(Math.abs(load.view(5000) - 3) < 0.001);
});

t.test('what others have there fades into what they usually have, our own does not', async (t) => {
  const load = createLoad(2);
  for (let now = 0; now <= 2000; now += 10) load.heard(now, report(4));
  load.heard(2010, report(0));
  t.equal(load.view(2010), 0, 'at that moment nothing');
  const soon = load.view(2030);
  t.ok(soon > 2 && soon < 3, 'two services later rather the usual again');
  load.sent(2030, 'login');
  load.sent(2030, 'login');
  load.heard(2030, report(2));
  t.equal(load.view(2030), 2, 'both are our own, and counted once');
});

t.test(
  'the wait is what the node said, less the time since, plus what was sent since',
  async (t) => {
    // A login may wait for 270 ms in a burst.
    const isFullUntil = (load: ReturnType<typeof createLoad>, ms: number) =>
      load.isFull(ms - 1, 'login') && !load.isFull(ms, 'login');
    const load = createLoad(2);
    t.equal(load.isFull(0, 'login'), false);
    load.heard(0, { ...report(12), queueMs: 290 });
    t.ok(isFullUntil(load, 20));
    load.sent(0, 'login');
    load.heard(30, { ...report(12), queueMs: 290 });
    for (let i = 0; i < 4; i++) load.sent(30, 'login');
    t.ok(isFullUntil(load, 30 + 40), 'and two hashes for each slot');
    const own = createLoad(2);
    own.heard(0, report(2));
    for (let i = 0; i < 56; i++) own.sent(1, 'login');
    t.equal(own.isFull(1, 'login'), false, 'what is here is worth 270 ms');
    own.sent(1, 'login');
    t.equal(own.isFull(10_000, 'login'), true, 'counts without a report');
  },
);

t.test('a place that is kept counts like a hash that is sent, but expects no answer', async (t) => {
  const load = createLoad(2);
  load.heard(0, { ...report(4), queueMs: 260 });
  t.equal(load.isFull(0, 'login'), false);
  const letGo = [load.hold(), load.hold(), load.hold()];
  t.equal(load.view(0), 7);
  t.equal(load.isFull(0, 'login'), true);
  t.equal(load.inflight(), 0);
  t.equal(load.silentMs(10_000), 0);
  for (const give of letGo) give();
  t.equal(load.view(0), 4);
});

t.test('a wait that a node reports is believed as far as it lets anybody wait', async (t) => {
  const load = createLoad(2);
  load.heard(0, { ...report(6), queueMs: 9_999_999 });
  t.equal(load.isFull(499, 'login'), true);
  t.equal(load.isFull(800, 'login'), false, 'it is asked again');
});

t.test('a refusal makes a node full for what exceeds nine tenths of its budget', async (t) => {
  const cases = [
    { cls: 'device', waitMs: 0, fullMs: 30 },
    { cls: 'device', waitMs: 150, fullMs: 60 },
    { cls: 'device', waitMs: 310, fullMs: 40 },
    { cls: 'login', waitMs: 161, fullMs: 80 },
    { cls: 'register', waitMs: 105, fullMs: 60 },
    { cls: 'device', waitMs: 5000, fullMs: 500 },
  ] as const;
  for (const { cls, waitMs, fullMs } of cases) {
    const load = createLoad(2);
    load.refused(1000, waitMs, cls);
    t.equal(load.isFull(1000 + fullMs - 1, cls), true, `${cls} ${waitMs} before`);
    t.equal(load.isFull(1000 + fullMs, cls), false, `${cls} ${waitMs} after`);
  }
});

t.test('a refusal says nothing of classes that may wait longer', async (t) => {
  const load = createLoad(2);
  load.refused(0, 60, 'register');
  for (const cls of ['register', 'password', 'suspect'] as const)
    t.equal(load.isFull(1, cls), true, cls);
  for (const cls of ['login', 'device'] as const) t.equal(load.isFull(1, cls), false, cls);
});

t.test('a second refusal never shortens the first', async (t) => {
  const load = createLoad(2);
  load.refused(0, 5000, 'login');
  load.refused(1, 0, 'login');
  t.equal(load.isFull(499, 'login'), true);
});

t.test('a node whose wait exceeds the burst budget is full without having said so', async (t) => {
  const load = createLoad(2);
  load.heard(0, { ...report(60), queueMs: 280 });
  t.equal(load.isFull(0, 'device'), false);
  t.equal(load.isFull(0, 'login'), true);
  load.heard(0, { ...report(60), queueMs: 301 });
  t.equal(load.isFull(0, 'device'), true);
  t.equal(load.isFull(1, 'device'), false, 'until it has worked that off');
});

t.test(
  'after a refusal below the burst budget the node is known to keep to the other one',
  async (t) => {
    const load = createLoad(1);
    load.heard(0, { ...report(5), slots: 1, queueMs: 150 });
    t.equal(load.isFull(0, 'login'), false, 'a burst may wait longer');
    load.refused(0, 150, 'login');
    load.heard(100, { ...report(5), slots: 1, queueMs: 150 });
    t.equal(load.isFull(100, 'login'), true);
    t.equal(load.isFull(499, 'device'), false, 'the wait is worked off');
    load.heard(600, { ...report(5), slots: 1, queueMs: 150 });
    t.equal(load.isFull(600, 'login'), false, 'forgotten after a while');
  },
);

t.test('what this edge has in flight at one node is bounded', async (t) => {
  const load = createLoad(1);
  load.heard(0, report(0, 0.1));
  for (let i = 0; i < 127; i++) load.sent(0, 'login');
  t.equal(load.isFull(0, 'device'), false);
  load.sent(0, 'login');
  t.equal(load.isFull(0, 'device'), true);
});

t.test('silence is counted from the first request that got no answer', async (t) => {
  const load = createLoad(2);
  t.equal(load.silentMs(100), 0);
  load.sent(100, 'login');
  load.sent(300, 'login');
  t.equal(load.silentMs(500), 400);
  load.ended('login');
  load.heard(500);
  t.equal(load.silentMs(600), 100, 'one is still due');
  load.ended('login');
  t.equal(load.silentMs(900), 400, 'also when we gave up waiting');
  load.heard(900);
  t.equal(load.silentMs(5000), 0);
});

t.test('an attempt may take three times the slowest service of late, and the budget', async (t) => {
  const load = createLoad(2);
  t.equal(load.attemptMs(), 600);
  load.heard(0, report(0, 400));
  t.equal(load.attemptMs(), 1200 + 800);
  load.heard(100, report(0, 10));
  t.ok(load.attemptMs() > 1400, 'it fades slowly');
  load.heard(100_000, report(0, 10));
  t.equal(load.attemptMs(), 600);
});

t.test(
  'after a refusal this edge keeps to what it had there, and one more per slot and four seconds',
  async (t) => {
    const load = createLoad(2);
    for (let i = 0; i < 4; i++) load.sent(0, 'login');
    load.ended('login');
    load.heard(0, { ...report(4), queueMs: 100 });
    load.refused(0, 100, 'login');
    t.equal(load.isFull(100, 'login'), true, 'three of its own are there');
    load.ended('login');
    t.equal(load.isFull(100, 'login'), false, 'a place of its own became free');
    load.sent(100, 'login');
    t.equal(load.isFull(1999, 'login'), true);
    t.equal(load.isFull(2000, 'login'), false, 'it tries one more');
    load.sent(2000, 'login');
    t.equal(load.isFull(2000, 'login'), true);
    load.heard(2000, { ...report(4), queueMs: 5 });
    t.equal(load.isFull(2000, 'login'), true, 'others wait there');
    load.heard(2000, report(4));
    t.equal(load.isFull(2000, 'login'), false, 'a slot is free there: one more');
    load.sent(2000, 'login');
    t.equal(load.isFull(2000, 'login'), true);
  },
);

t.test('a refusal where nobody waits is about something else, and soon forgotten', async (t) => {
  const load = createLoad(2);
  load.heard(0, report(0));
  // Its event loop stood still, a hash thread died, or the request came too late.
  load.refused(0, 100, 'login');
  t.equal(load.isFull(10, 'login'), true);
  t.equal(load.isFull(50, 'login'), false);
  for (let i = 0; i < 3; i++) load.sent(50, 'login');
  t.equal(load.isFull(50, 'login'), false, 'no share was learnt');
  load.heard(50, { ...report(3), queueMs: 150 });
  t.equal(load.isFull(50, 'login'), false, 'nor that it keeps to the short budget');
});

t.test('a refused login says nothing about the share of a known device', async (t) => {
  const load = createLoad(2);
  for (let i = 0; i < 3; i++) load.sent(0, 'login');
  load.heard(0, { ...report(6), queueMs: 95 });
  load.refused(0, 95, 'login');
  // What it said is worked off, and the share not yet grown.
  t.equal(load.isFull(200, 'login'), true);
  t.equal(load.isFull(200, 'device'), false);
  load.refused(200, 105, 'device');
  t.equal(load.isFull(400, 'device'), false, 'others are to make room');
});

t.test('where known devices are the crowd they have a share, too', async (t) => {
  const load = createLoad(2);
  load.sent(0, 'login');
  for (let i = 0; i < 2; i++) load.sent(0, 'device');
  load.heard(0, { ...report(6), queueMs: 105 });
  load.refused(0, 105, 'device');
  t.equal(load.isFull(200, 'device'), true);
  load.ended('device');
  t.equal(load.isFull(200, 'device'), false, 'one of its own has ended');
});

t.test('a refused class that has a smaller budget says nothing about the share', async (t) => {
  const load = createLoad(2);
  load.sent(0, 'login');
  load.refused(0, 60, 'register');
  t.equal(load.isFull(100, 'login'), false);
});

t.test('who is turned away at a full node makes it crowded for a tenth of a second', (t) => {
  const load = createLoad(2);
  load.turnedAway(0, 'login');
  t.equal(load.isCrowded(0), false, 'it was not full');
  load.refused(0, 500, 'suspect');
  load.turnedAway(0, 'suspect');
  t.equal(load.isCrowded(0), false, 'others get in');
  load.refused(0, 500, 'login');
  load.turnedAway(100, 'login');
  t.equal(load.isCrowded(200), true);
  t.equal(load.isCrowded(201), false);
  t.end();
});

t.test('a node that kept to the short budget does so as long as others are turned away', (t) => {
  const wait = (load: ReturnType<typeof createLoad>, now: number) =>
    load.heard(now, { ...report(0), queueMs: 150 });
  const isBurst = (load: ReturnType<typeof createLoad>, now: number) => {
    wait(load, now);
    return !load.isFull(now, 'login');
  };
  const [left, crowded, early] = [createLoad(2), createLoad(2), createLoad(2)];
  for (const load of [left, crowded]) {
    wait(load, 0);
    load.refused(0, 110, 'login');
  }
  wait(crowded, 450);
  crowded.turnedAway(450, 'login');
  t.equal(isBurst(left, 600), true, 'nobody was');
  t.equal(isBurst(crowded, 600), false);
  t.equal(isBurst(crowded, 1000), true);
  early.refused(0, 500, 'login');
  early.turnedAway(0, 'login');
  t.equal(isBurst(early, 501), true, 'a burst is not ended by it');
  t.end();
});

type Load = ReturnType<typeof createLoad>;

/** Something that happens at a node and what is in flight there, by three numbers below one. */
const happen = (
  load: Load,
  open: { sent: WorkClass[]; held: (() => void)[] },
  now: number,
  dice: number[],
) => {
  const [kind = 0, which = 0, size = 0] = dice;
  const cls = workClasses[Math.floor(which * workClasses.length)] ?? 'login';
  const queueMs = size < 0.3 ? 0 : 600 * size;
  if (kind < 0.3) {
    load.sent(now, cls);
    open.sent.push(cls);
  } else if (kind < 0.4) open.held.push(load.hold());
  else if (kind < 0.5) open.held.shift()?.();
  else if (kind < 0.7) {
    const one = open.sent.shift();
    if (one !== undefined) load.ended(one);
  } else if (kind < 0.85)
    load.heard(now, {
      inflight: Math.floor(20 * size),
      queueMs,
      serviceMs: 5 + 30 * which,
      slots: 2,
    });
  else if (kind < 0.95) load.refused(now, 600 * size, cls);
  else if (kind < 0.98) load.turnedAway(now, cls);
  else load.setSlots(1 + Math.floor(4 * size));
};

t.test('who asks whether it is full changes no later answer', (t) => {
  let state = 1;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const counts = { full: 0, free: 0 };
  for (let run = 0; run < 300; run++) {
    const asked = { load: createLoad(2), open: { sent: [], held: [] } };
    const left = { load: createLoad(2), open: { sent: [], held: [] } };
    let now = 0;
    for (let step = 0; step < 20 + run / 5; step++) {
      now += 60 * random() ** 3;
      const dice = [random(), random(), random()];
      happen(asked.load, asked.open, now, dice);
      happen(left.load, left.open, now, dice);
      for (const cls of workClasses) asked.load.isFull(now, cls);
    }
    now += 100 * random();
    for (const cls of workClasses) {
      const isFull = left.load.isFull(now, cls);
      counts[isFull ? 'full' : 'free']++;
      if (asked.load.isFull(now, cls) !== isFull) t.fail(`run ${run}, ${cls}: ${isFull}`);
    }
  }
  t.ok(counts.full > 200 && counts.free > 200, `both are usual: ${JSON.stringify(counts)}`);
  t.end();
});
