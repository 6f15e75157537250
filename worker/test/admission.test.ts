import t from 'tap';
import { AppError, codeOf, isAppError } from '../../shared/errors.js';
import {
  type AdmissionClass,
  createAdmission,
  type Decision,
  type Ticket,
} from '../passwords/admission.js';
import type { Cost } from '../passwords/recipes/recipe.js';
import type { Done } from '../passwords/threads.js';
import type { Work } from '../passwords/work.js';

const mib = 1024 * 1024;
const cheap: Cost = { key: 'default', relative: 1, bytes: 19 * mib };
const dear: Cost = { key: 'dear', relative: 20, bytes: 200 * mib };
const stays = () => false;
const forever = Number.POSITIVE_INFINITY;

/** Threads in virtual time: each takes its work in order and needs what `costOf` says. */
const createWorld = (options: { slots: number; memoryBytes?: number; hashMs?: number }) => {
  const { slots, memoryBytes = 1024 * mib, hashMs = 10 } = options;
  let clock = 1000;
  const freeAt = new Array<number>(slots).fill(0);
  const events: { at: number; slot: number; run: () => void }[] = [];
  const decisions: [AdmissionClass, Decision, number][] = [];
  const depth = new Array<number>(slots).fill(0);
  let deepest = 0;

  const send = (slot: number, work: Work, done: Done) => {
    const startAt = Math.max(clock, freeAt[slot] ?? 0);
    freeAt[slot] = startAt + Number(work[1]);
    depth[slot] = (depth[slot] ?? 0) + 1;
    deepest = Math.max(deepest, depth[slot] ?? 0);
    const run = () => {
      depth[slot] = (depth[slot] ?? 0) - 1;
      done(undefined, true);
    };
    events.push({ at: freeAt[slot] ?? 0, slot, run });
  };
  const admission = createAdmission({
    slots,
    memoryBytes,
    defaultCost: cheap,
    initialMs: hashMs,
    send,
    now: () => clock,
    watch: { decided: (...d) => decisions.push(d), served: () => {} },
  });

  /** Moves the clock, letting threads finish on the way and the promises they settle run. */
  const pass = async (ms: number) => {
    const end = clock + ms;
    for (;;) {
      events.sort((a, b) => a.at - b.at);
      const next = events[0];
      if (next === undefined || next.at > end) break;
      events.shift();
      clock = next.at;
      next.run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    clock = end;
  };

  /** `takesMs` is what the thread will need; what admission expects is up to `cost`. */
  const submit = (
    cls: AdmissionClass = 'login',
    cost = cheap,
    deadline = forever,
    takesMs = cost === dear ? 200 : hashMs,
  ) => {
    const ticket = admission.enter({ class: cls, deadlineAt: deadline, isGone: stays });
    return admission.run(ticket, ['hash', String(takesMs), 0, 0, 0], cost);
  };
  const refusal = (cls: AdmissionClass = 'login', deadline = forever): number | undefined => {
    try {
      admission.leave(admission.enter({ class: cls, deadlineAt: deadline, isGone: stays }));
      return undefined;
    } catch (error) {
      if (!isAppError(error) || error.code !== 'overloaded') throw error;
      return error.retryAfterMs;
    }
  };
  return {
    admission,
    decisions,
    pass,
    submit,
    refusal,
    now: () => clock,
    deepest: () => deepest,
  };
};

/** Fills a world until it refuses, returning how many got in. */
const fill = (world: ReturnType<typeof createWorld>, cls: AdmissionClass = 'login') => {
  let count = 0;
  for (; world.refusal(cls) === undefined && count < 10_000; count++)
    world.submit(cls).catch(() => {});
  return count;
};

t.test('nobody waits while a slot is free', async (t) => {
  const { admission, submit } = createWorld({ slots: 3 });
  t.equal(admission.load().queueMs, 0);
  submit();
  submit();
  t.equal(admission.load().queueMs, 0);
  submit();
  t.equal(admission.load().queueMs, 10, 'three slots with 10 ms each');
});

t.test('the predicted wait is the work left and queued, shared by the slots', async (t) => {
  const { admission, submit, pass } = createWorld({ slots: 2 });
  for (let i = 0; i < 6; i++) submit();
  t.equal(admission.load().queueMs, 30);
  t.equal(admission.load().inflight, 6);
  await pass(5);
  t.equal(admission.load().queueMs, 25);
});

t.test('a place in the node counts from entering, before the record is known', async (t) => {
  const { admission } = createWorld({ slots: 1 });
  const first = admission.enter({ class: 'login', deadlineAt: forever, isGone: stays });
  t.equal(admission.load().queueMs, 10);
  const second = admission.enter({ class: 'login', deadlineAt: forever, isGone: stays });
  t.equal(admission.load().queueMs, 20);
  admission.leave(first);
  admission.leave(first);
  t.equal(admission.load().inflight, 1, 'leaving twice is leaving once');
  admission.leave(second);
  t.equal(admission.load().queueMs, 0);
});

t.test('a burst may wait 300 ms, a lasting queue 100 ms', async (t) => {
  const world = createWorld({ slots: 1 });
  t.equal(fill(world, 'device'), 31, 'work up to 300 ms, and one more');
  for (let i = 0; i < 75; i++) {
    await world.pass(10);
    fill(world, 'device');
  }
  const { queueMs } = world.admission.load();
  t.ok(queueMs <= 110, `after 750 ms of a full queue the wait is ${queueMs} ms`);
  await world.pass(1000);
  t.equal(fill(world, 'device'), 31, 'an empty queue earns the burst again');
});

t.test(
  'after a burst nobody is refused for the queue that it left, which goes by itself',
  async (t) => {
    const world = createWorld({ slots: 1 });
    fill(world);
    for (let ms = 0; ms < 1400; ms += 50) {
      await world.pass(50);
      for (let i = 0; i < 4; i++) {
        t.equal(
          world.refusal('login'),
          undefined,
          `${ms} ms, ${world.admission.load().queueMs} ms`,
        );
        world.submit('login').catch(() => {});
      }
      if (ms === 600) t.ok(world.admission.load().queueMs > 100, 'longer than the short budget');
    }
  },
);

t.test('a queue that refusals keep short earns no burst', async (t) => {
  // A few slow hashes fill one slot; between two arrivals it is often empty.
  const world = createWorld({ slots: 1, hashMs: 40 });
  const waits: number[] = [];
  for (let ms = 0; ms < 20_000; ms += 90) {
    for (let i = 0; i < 4; i++)
      if (world.refusal('login') === undefined) world.submit('login').catch(() => {});
    waits.push(world.admission.load().queueMs);
    await world.pass(90);
  }
  t.ok(Math.max(...waits.slice(60)) <= 140, `${Math.max(...waits.slice(60))} ms`);
  await world.pass(1000);
  t.equal(world.refusal('login'), undefined);
  t.ok(fill(world) > 5, 'half a second without a refusal earns it again');
});

t.test('nor does one that edges keep short by turning others away', async (t) => {
  const world = createWorld({ slots: 1 });
  const enter = (isCrowded: boolean) =>
    world.admission.enter({ class: 'device', deadlineAt: forever, isGone: stays, isCrowded });
  for (let ms = 0; ms < 1000; ms += 50) {
    world.admission.leave(enter(true));
    await world.pass(50);
  }
  t.equal(fill(world, 'device'), 11, 'work up to 100 ms, and one more');
  await world.pass(500);
  t.notOk(world.admission.hasRoom(), 'nothing is spare');
  await world.pass(2000);
  t.ok(world.admission.hasRoom());
  t.equal(fill(world, 'device'), 31);
});

t.test('a suspect who is refused takes nobody’s burst', async (t) => {
  const world = createWorld({ slots: 1 });
  for (let i = 0; i < 10; i++) world.submit('login').catch(() => {});
  t.not(world.refusal('suspect'), undefined);
  await world.pass(100);
  t.equal(fill(world, 'device'), 31);
});

t.test('classes give way in order', async (t) => {
  const classes: AdmissionClass[] = ['device', 'login', 'password', 'suspect'];
  const counts = classes.map((cls) => fill(createWorld({ slots: 1 }), cls));
  t.same(counts, [31, 28, 16, 7]);
  const world = createWorld({ slots: 1 });
  fill(world, 'suspect');
  t.equal(world.refusal('suspect') === undefined, false);
  t.equal(world.refusal('login'), undefined, 'a login gets in where a suspect does not');
});

t.test('a migration gets a thread that stands idle, and never waits for one', async (t) => {
  const world = createWorld({ slots: 2 });
  t.equal(fill(world, 'migration'), 2);
  t.equal(world.refusal('login'), undefined, 'logins queue behind them as behind logins');
  await world.pass(20);
  t.equal(world.admission.hasRoom(), true);
  fill(world, 'login');
  t.equal(world.admission.hasRoom(), false);
  await world.pass(400);
  t.equal(world.admission.load().inflight, 0);
  t.equal(world.refusal('migration'), 0, 'a login was refused less than two seconds ago');
  await world.pass(1800);
  t.equal(world.refusal('migration'), undefined);
});

t.test('what migrations get shrinks to nothing as load grows', async (t) => {
  const shareAt = async (load: number) => {
    const world = createWorld({ slots: 2 });
    let migrated = 0;
    const logins = 2000;
    let seed = 1;
    for (let i = 0; i < logins; i++) {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      await world.pass((-Math.log(1 - seed / 2 ** 31) * 5) / load);
      if (world.refusal('login') !== undefined) continue;
      const login = world.submit('login');
      // As the node does it: when the answer is out.
      void login.then(() => {
        if (world.refusal('migration') !== undefined) return;
        migrated++;
        void world.submit('migration');
      });
    }
    return migrated / logins;
  };
  const shares: number[] = [];
  for (const load of [0.1, 0.4, 0.8, 0.95, 1.2]) shares.push(await shareAt(load));
  t.comment(shares.map((share) => share.toFixed(3)).join(' '));
  t.same(
    shares,
    [...shares].sort((a, b) => b - a),
    'the more load, the fewer',
  );
  t.ok((shares[0] ?? 0) > 0.8 && (shares[4] ?? 1) < 0.01, shares.join());
});

t.test('a slow hash has a budget of its own measure', async (t) => {
  t.equal(fill(createWorld({ slots: 1, hashMs: 400 }), 'device'), 3, 'two services of 400 ms');
});

t.test('a refusal says how long, and that nothing was started', async (t) => {
  const world = createWorld({ slots: 2 });
  fill(world, 'device');
  const before = world.admission.load().inflight;
  const wait = world.refusal('device');
  t.ok(wait !== undefined && wait > 300 && wait <= 310, `${wait}`);
  t.equal(world.admission.load().inflight, before);
  t.same(world.decisions.at(-1)?.slice(0, 2), ['device', 'full']);
});

t.test('who cannot be served by the deadline is refused on arrival', async (t) => {
  const world = createWorld({ slots: 1 });
  t.equal(world.refusal('login', world.now() + 9), 0, 'a hash takes 10 ms');
  t.equal(world.refusal('login', world.now() + 10), undefined);
  t.equal(world.decisions[0]?.[1], 'late');
});

t.test('a job whose deadline passed in the queue never reaches a thread', async (t) => {
  const world = createWorld({ slots: 1 });
  const slow = world.submit('login', cheap, forever, 100);
  const ahead = world.submit();
  const late = world.submit('login', cheap, world.now() + 110).catch(codeOf);
  const inTime = world.submit('login', cheap, world.now() + 140);
  await world.pass(200);
  t.same(await Promise.all([slow, ahead, inTime]), [true, true, true]);
  t.equal(await late, 'overloaded');
  t.same(
    world.decisions.map(([, decision]) => decision),
    ['admitted', 'admitted', 'admitted', 'admitted', 'late_queued'],
  );
});

t.test('a deadline never tells who has a dear hash', async (t) => {
  const world = createWorld({ slots: 1 });
  const deadline = world.now() + 50;
  const answers = [world.submit('login', cheap, deadline), world.submit('login', dear, deadline)];
  await world.pass(300);
  t.same(await Promise.all(answers), [true, true]);
});

t.test('a job is not hashed for a client that has left', async (t) => {
  const world = createWorld({ slots: 1 });
  for (let i = 0; i < 2; i++) world.submit();
  let isGone = false;
  const ticket: Ticket = world.admission.enter({
    class: 'login',
    deadlineAt: forever,
    isGone: () => isGone,
  });
  const result = world.admission.run(ticket, ['hash', '10', 0, 0, 0], cheap).catch(codeOf);
  isGone = true;
  await world.pass(30);
  t.equal(await result, 'overloaded');
  t.same(world.decisions.at(-1)?.slice(0, 2), ['login', 'client_left']);
  t.equal(world.admission.load().inflight, 0);
});

t.test('who leaves the queue makes it shorter at once', async (t) => {
  const world = createWorld({ slots: 1 });
  for (let i = 0; i < 2; i++) world.submit();
  let leave = () => {};
  const wanted = {
    class: 'login',
    deadlineAt: forever,
    isGone: stays,
    whenGone: (tell: () => void) => {
      leave = tell;
    },
  } as const;
  const run = () => {
    const ticket = world.admission.enter(wanted);
    return world.admission.run(ticket, ['hash', '10', 0, 0, 0], cheap).catch(codeOf);
  };
  const first = run();
  t.equal(world.admission.load().queueMs, 30);
  leave();
  t.equal(await first, 'overloaded');
  t.same(world.decisions.at(-1)?.slice(0, 2), ['login', 'client_left']);
  t.equal(world.admission.load().queueMs, 20);
  const second = run();
  await world.pass(40);
  leave();
  t.equal(await second, true, 'whoever leaves later has had it');
  t.equal(world.admission.load().inflight, 0);
});

t.test('a thread holds one job and one more, and none behind a dear one', async (t) => {
  const world = createWorld({ slots: 2 });
  for (let i = 0; i < 9; i++) world.submit();
  await world.pass(100);
  t.equal(world.deepest(), 2);
  const other = createWorld({ slots: 1 });
  other.submit('login', dear);
  other.submit();
  await other.pass(100);
  t.equal(other.deepest(), 1);
});

t.test('a dear hash is charged to those who come later, not refused itself', async (t) => {
  const world = createWorld({ slots: 1 });
  const first = world.submit('login', dear);
  t.equal(world.admission.load().queueMs, 200);
  t.equal(world.refusal('suspect'), 200, 'its cost is seen at once');
  t.equal(world.refusal('login'), undefined, 'within the burst budget');
  const second = world.submit('login', dear);
  t.equal(world.refusal('login'), 400);
  await world.pass(400);
  t.same(await Promise.all([first, second]), [true, true]);
});

t.test('one dear hash does not make the other threads look busy', async (t) => {
  const world = createWorld({ slots: 8 });
  // 20 s of work: divided by eight it would be a wait of two and a half.
  const veryDear: Cost = { key: 'very dear', relative: 2000, bytes: mib };
  world.submit('login', veryDear, forever, 20_000);
  for (let i = 0; i < 7; i++) world.submit();
  t.equal(world.admission.load().queueMs, 10, 'the other seven end in 10 ms');
  t.equal(world.refusal(), undefined);
});

t.test('dear hashes wait for memory, a single one never', async (t) => {
  const world = createWorld({ slots: 4, memoryBytes: 250 * mib });
  let done = 0;
  for (let i = 0; i < 3; i++) world.submit('login', dear).then(() => done++);
  await world.pass(201);
  t.equal(done, 1, 'two at once would need 400 MiB');
  await world.pass(400);
  t.equal(done, 3);
  const tight = createWorld({ slots: 2, memoryBytes: 1 });
  const alone = tight.submit('login', dear);
  await tight.pass(200);
  t.equal(await alone, true);
});

t.test(
  'a hash that waits for memory keeps no thread from the cheap ones, and is not passed for ever',
  async (t) => {
    const world = createWorld({ slots: 4, memoryBytes: 250 * mib });
    const ends: string[] = [];
    const submit = (name: string, cost: Cost, tookMs: number) =>
      world.submit('login', cost, forever, tookMs).then(() => ends.push(name));
    submit('dear', dear, 200);
    submit('waits', dear, 200);
    for (let i = 0; i < 4; i++) submit(`cheap ${i}`, cheap, 10);
    await world.pass(30);
    t.strictSame(ends, ['cheap 0', 'cheap 1', 'cheap 2', 'cheap 3'], 'in the 50 MiB beside it');
    // Hashes that end after the first dear one may only take what the second leaves.
    const large: Cost = { key: 'large', relative: 40, bytes: 45 * mib };
    const larger: Cost = { key: 'larger', relative: 40, bytes: 51 * mib };
    submit('larger', larger, 400);
    submit('large', large, 400);
    await world.pass(375);
    t.strictSame(ends.slice(4), ['dear', 'waits'], 'nobody made it wait longer');
    await world.pass(1000);
    t.strictSame(ends.slice(6), ['large', 'larger']);
  },
);

t.test('memory that is taken is a wait like any other', async (t) => {
  const world = createWorld({ slots: 4, memoryBytes: 210 * mib });
  world.submit('login', dear);
  t.equal(world.admission.load().queueMs, 200, 'three threads are free, and no memory');
  t.equal(world.refusal(), undefined, 'within the budget of a burst');
  world.submit('login', dear);
  t.equal(world.admission.load().queueMs, 400, 'one after the other');
  t.equal(world.refusal(), 400);
  await world.pass(401);
  t.equal(world.admission.load().queueMs, 0);
});

t.test(
  'with memory for the threads and no more, other cheap hashes are a queue, too',
  async (t) => {
    const wrapped: Cost = { key: 'wrap', relative: 1, bytes: 19 * mib };
    const world = createWorld({ slots: 4, memoryBytes: 4 * 19 * mib });
    let admitted = 0;
    for (; admitted < 1000 && world.refusal() === undefined; admitted++)
      world.submit('login', wrapped);
    t.equal(world.admission.load().queueMs, 10 * (admitted / 4 - 1) + 10);
    t.ok(admitted < 150, `${admitted} of ten milliseconds each, for four threads`);
  },
);

t.test('hashes that fill the memory together are a queue', async (t) => {
  const of = (bytes: number): Cost => ({ key: 'legacy', relative: 5, bytes });
  // As many as there are threads, and fewer: what is left beside them is less than a default hash wants.
  for (const [slots, cost, together] of [
    [2, of(100 * mib), 2],
    [4, of(64 * mib), 4],
    [8, of(64 * mib), 4],
    [4, of(250 * mib), 1],
  ] as const) {
    const world = createWorld({ slots, memoryBytes: 256 * mib });
    for (let i = 0; i < 5 * together; i++) world.submit('login', cost);
    t.equal(world.admission.load().queueMs, 250, `${together} of ${slots}`);
    while (world.refusal() === undefined && world.admission.load().inflight < 1000)
      world.submit('login', cost);
    t.ok(world.admission.load().inflight < 10 * together, 'it ends');
  }
  const world = createWorld({ slots: 4, memoryBytes: 256 * mib });
  for (let i = 0; i < 3; i++) world.submit('login', of(100 * mib));
  t.equal(world.admission.load().queueMs, 0, 'two of them leave room for it, and two threads');
});

t.test(
  'of mixed arrivals, no second turns a known device away and lets a suspect in',
  async (t) => {
    const world = createWorld({ slots: 4, hashMs: 20 });
    // Four times what the threads can do, evenly mixed, for a minute; the order is that of a small generator.
    const classes: AdmissionClass[] = ['device', 'login', 'register', 'suspect'];
    let state = 1;
    const next = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return classes[(state >>> 16) % classes.length] ?? 'login';
    };
    const wrong: number[] = [];
    let refusedDevices = 0;
    for (let second = 0; second < 60; second++) {
      const refused = new Set<AdmissionClass>();
      const admitted = new Set<AdmissionClass>();
      for (let i = 0; i < 800; i++) {
        const cls = next();
        const isAdmitted = world.refusal(cls) === undefined;
        (isAdmitted ? admitted : refused).add(cls);
        if (cls === 'device' && !isAdmitted) refusedDevices++;
        if (isAdmitted) world.submit(cls).catch(() => {});
        await world.pass(1.25);
      }
      // In the first second the queue fills.
      if (second === 0) continue;
      if (refused.has('device') && admitted.has('suspect')) wrong.push(second);
    }
    t.ok(refusedDevices > 1000);
    t.strictSame(wrong, []);
  },
);

t.test('the service time follows what is measured, by kind of hash', async (t) => {
  const world = createWorld({ slots: 1, hashMs: 20 });
  world.submit();
  await world.pass(20);
  t.equal(world.admission.load().serviceMs, 20);
  world.submit('login', dear);
  await world.pass(200);
  const place = world.admission.enter({ class: 'login', deadlineAt: forever, isGone: stays });
  t.equal(world.admission.load().queueMs, 20, 'a dear hash says nothing about the default');
  world.admission.leave(place);
  world.submit('login', dear);
  t.equal(world.admission.load().queueMs, 200, 'measured, not 20 times the default');
});

t.test('where hashes are dear, one of them is worth waiting for', async (t) => {
  const legacy: Cost = { key: 'legacy', relative: 33, bytes: mib };
  const world = createWorld({ slots: 1, hashMs: 10 });
  // More than the node can do: some are refused, and its thread is not to be idle for that.
  let served = 0;
  for (let i = 0; i < 200; i++) {
    if (world.refusal() === undefined)
      world.submit('login', legacy, forever, 330).then(() => served++);
    await world.pass(200);
  }
  t.ok(served * 330 > 0.95 * 200 * 200, `${served} of ${(200 * 200) / 330}`);
  t.ok(world.admission.load().queueMs <= 660, 'and no queue of many');
  await world.pass(1000);
  for (let i = 0; i < 200; i++) {
    world.submit();
    await world.pass(20);
  }
  t.ok(world.admission.load().serviceMs < 20, 'when they are cheap, it is forgotten');
});

t.test('a node that slept while it hashed goes on as before', async (t) => {
  const world = createWorld({ slots: 1, hashMs: 10 });
  const inTime = () => world.refusal('login', world.now() + 2500) === undefined;
  world.submit('login', cheap, forever, 5000);
  await world.pass(5000);
  t.ok(world.admission.load().serviceMs <= 40, 'one sleep is no measure');
  t.equal(inTime(), true);
  const slow = createWorld({ slots: 1, hashMs: 5000 });
  for (let i = 0; i < 40; i++) {
    slow.submit('login', cheap, slow.now() + 2500, 10);
    await slow.pass(10);
  }
  t.ok(slow.admission.load().serviceMs < 100, 'a wrong first guess is unlearned');
});

t.test('who leaves while the record is looked up takes no place in the queue', async (t) => {
  const world = createWorld({ slots: 1 });
  for (let i = 0; i < 3; i++) world.submit();
  const before = world.admission.load();
  let isGone = false;
  const ticket = world.admission.enter({
    ...{ class: 'login', deadlineAt: forever },
    isGone: () => isGone,
  });
  isGone = true;
  const run = world.admission.run(ticket, ['hash', '10', 0, 0, 0], cheap);
  await t.rejects(run, { code: 'overloaded', detail: 'client_left' });
  t.strictSame(world.admission.load(), before);
});

t.test('a thread that dies fails what it held, and its slot goes on', async (t) => {
  const held: Done[] = [];
  const admission = createAdmission({
    slots: 1,
    memoryBytes: mib,
    defaultCost: cheap,
    send: (_slot, _work, done) => void held.push(done),
  });
  const submit = () =>
    admission.run(
      admission.enter({ class: 'login', deadlineAt: forever, isGone: stays }),
      ['ping'],
      cheap,
    );
  const answers = [submit(), submit(), submit()].map((answer) => answer.catch(codeOf));
  t.equal(held.length, 2);
  const died = new AppError('overloaded');
  for (const done of held.splice(0)) done(died, undefined);
  t.same(await Promise.all(answers.slice(0, 2)), ['overloaded', 'overloaded']);
  t.equal(held.length, 1, 'the next one is handed to its successor');
  for (const done of held.splice(0)) done(undefined, true);
  t.equal(await answers[2], true);
  t.equal(admission.load().inflight, 0);
});

t.test('idle resolves when everything admitted has ended', async (t) => {
  const world = createWorld({ slots: 1 });
  await world.admission.idle();
  for (let i = 0; i < 5; i++) world.submit();
  let isIdle = false;
  world.admission.idle().then(() => {
    isIdle = true;
  });
  await world.pass(40);
  t.equal(isIdle, false);
  await world.pass(10);
  t.equal(isIdle, true);
});

t.test(
  'at ten times the load every slot stays busy and the admitted are served soon',
  async (t) => {
    for (const slots of [1, 2, 4, 8]) {
      const world = createWorld({ slots });
      const waits: number[] = [];
      let seed = slots;
      const random = () => {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        return seed / 2 ** 31;
      };
      const arrivalsPerMs = (10 * slots) / 10;
      const startedAt = world.now();
      for (let ms = 0; ms < 3000; ms++) {
        for (let i = 0; i < arrivalsPerMs; i++) {
          if (random() < 0.2 || world.refusal() !== undefined) continue;
          const at = world.now();
          world
            .submit('login', cheap, at + 2500)
            .then(() => world.now() - startedAt > 1000 && waits.push(world.now() - at), t.error);
        }
        await world.pass(1);
      }
      const goodput = waits.length / (slots * 200);
      waits.sort((a, b) => a - b);
      const p99 = waits[Math.floor(waits.length * 0.99)] ?? forever;
      t.ok(goodput > 0.97 && goodput <= 1.06, `${slots} slots: goodput ${goodput}`);
      t.ok(p99 <= 130, `${slots} slots: p99 ${p99} ms`);
    }
  },
);
