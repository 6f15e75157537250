import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { codeOf } from '../../shared/errors.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { createThreads, type Threads } from '../passwords/threads.js';
import type { Work } from '../passwords/work.js';

const log = { warn: () => {}, error: () => {} };
const hash = (password: string): Work => ['hash', password, 64, 1, 1];

const ask = (threads: Threads, index: number, work: Work): Promise<boolean | string> =>
  new Promise((resolve, reject) => {
    threads.send(index, work, (error, result) =>
      result === undefined ? reject(error) : resolve(result),
    );
  });

/** Nice values of all threads of this process. */
const niceValues = (): number[] =>
  readdirSync('/proc/self/task').map((tid) => {
    const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });

t.test('answers come back in the order of sending', async (t) => {
  const threads = createThreads({ count: 2, log });
  t.teardown(threads.stop);
  const stored = await ask(threads, 0, hash('pw'));
  const made = typeof stored === 'string' ? readHash(stored) : 'hash_unknown';
  if (!isUsable(made)) throw new Error('no hash was made');
  const passwords = ['pw', 'no', 'pw', 'pw', 'no'];
  const answers = passwords.map((password) => ask(threads, 1, made.verify(password)));
  t.same(await Promise.all(answers), [true, false, true, true, false]);
});

t.test('hash threads run at nice 19, the main thread does not', async (t) => {
  const threads = createThreads({ count: 2, log });
  t.teardown(threads.stop);
  await threads.warm(hash('warm'));
  t.equal(niceValues().filter((nice) => nice === 19).length, 2);
});

t.test('what the library refuses fails that piece of work alone', async (t) => {
  const threads = createThreads({ count: 1, log });
  t.teardown(threads.stop);
  const bad = ask(threads, 0, ['hash', 'pw', 1, 0, 1]).catch(codeOf);
  const good = ask(threads, 0, ['ping']);
  t.equal(await bad, 'internal');
  t.equal(await good, true);
});

t.test('a thread that dies fails its work, which is no refusal, and is replaced', async (t) => {
  const task = new URL('./crashing-task.mjs', import.meta.url);
  const threads = createThreads({ count: 2, log, task });
  t.teardown(threads.stop);
  await threads.warm(['ping']);
  const other = ask(threads, 1, ['ping']);
  await sleep(1050);
  const doomed = [ask(threads, 0, ['hash', 'die', 0, 0, 0]), ask(threads, 0, ['ping'])];
  const codes = await Promise.all(doomed.map((answer) => answer.catch(codeOf)));
  t.same(codes, ['thread_lost', 'thread_lost']);
  t.equal(await other, true, 'the other thread goes on');
  t.equal(await ask(threads, 0, ['ping']), true, 'its place is taken by a new one');
  t.equal(await threads.areAlive(), true);
});

t.test('a thread that dies again and again still fails every piece of work', async (t) => {
  const task = new URL('./crashing-task.mjs', import.meta.url);
  const pauses: unknown[] = [];
  const error = (fields: object) => 'pause_ms' in fields && pauses.push(fields.pause_ms);
  // A clock that stands still: however long the start took, it died at once.
  const threads = createThreads({ count: 1, log: { ...log, error }, task, now: () => 0 });
  t.teardown(threads.stop);
  await threads.warm(['ping']);
  t.equal(await ask(threads, 0, ['hash', 'die', 0, 0, 0]).catch(codeOf), 'thread_lost');
  const before = performance.now();
  t.equal(await ask(threads, 0, ['ping']), true, 'work waits for the new one');
  t.ok(performance.now() - before > 900, 'which is not started in a tight loop');
  t.same(pauses, [1000]);
});

t.test('a thread that cannot start is an error, not a hang', async (t) => {
  const task = new URL('./no-such-task.mjs', import.meta.url);
  const threads = createThreads({ count: 1, log, task });
  await t.rejects(threads.warm(['ping']));
  const before = performance.now();
  await threads.stop();
  t.ok(performance.now() - before < 2000, 'and stopping does not wait for it');
});

t.test('stopping ends the threads in a moment', async (t) => {
  const threads = createThreads({ count: 2, log });
  await threads.warm(hash('warm'));
  const before = performance.now();
  await threads.stop();
  t.ok(performance.now() - before < 2000);
  // The kernel may take a moment longer than Node to forget them.
  const left = () => niceValues().filter((nice) => nice === 19).length;
  for (let tries = 0; left() > 0 && tries < 100; tries++) await sleep(20);
  t.equal(left(), 0);
});

t.test(
  'other functions are loaded with the first work that needs one, and the order stays',
  async (t) => {
    const threads = createThreads({ count: 1, log });
    t.teardown(threads.stop);
    await threads.warm(['ping']);
    const old = readHash('$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu');
    if (!isUsable(old)) throw new Error('not a usable hash');
    const order: string[] = [];
    const put = async (name: string, work: Work) => {
      const result = await ask(threads, 0, work);
      order.push(name);
      return result;
    };
    const answers = [
      put('old', old.verify('a')),
      put('new', hash('pw')),
      put('old, wrong', old.verify('b')),
      put('ping', ['ping']),
    ];
    const results = await Promise.all(answers);
    t.match(results, [true, /^\$argon2id\$/, false, true]);
    t.same(order, ['old', 'new', 'old, wrong', 'ping']);
    t.equal(await ask(threads, 0, old.verify('a')), true);
  },
);
