/** Addresses of a node's host while the resolver answers, fails and hangs. */
import type { LookupAddress } from 'node:dns';
import { connect, createServer } from 'node:net';
import t from 'tap';
import { createLookup } from '../../nodes/lookup.js';

// What waits here keeps no process alive.
const alive = setInterval(() => {}, 1000);
t.teardown(() => clearInterval(alive));

const home: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];

/** A resolver whose answers the test gives. */
const setUp = () => {
  const waiting: { answer: (found: LookupAddress[]) => void; fail: () => void }[] = [];
  const lookup = createLookup(
    () =>
      new Promise((resolve, reject) => {
        waiting.push({
          answer: resolve,
          fail: () => reject(Object.assign(new Error('no'), { code: 'EAI_AGAIN' })),
        });
      }),
  );
  const find = (all = true) =>
    new Promise<unknown>((resolve) => {
      lookup('node', { all }, (error, found) => resolve(error?.code ?? found));
    });
  return { lookup, find, waiting };
};

t.test('one question for all who ask meanwhile', async (t) => {
  const { find, waiting } = setUp();
  const both = [find(), find(false)];
  t.equal(waiting.length, 1);
  waiting[0]?.answer(home);
  t.same(await Promise.all(both), [home, '127.0.0.1']);
});

t.test('the last address stands while the resolver fails or hangs', async (t) => {
  const { find, waiting } = setUp();
  const first = find();
  waiting[0]?.fail();
  t.equal(await first, 'EAI_AGAIN', 'never found: nothing to go by');
  const second = find();
  waiting[1]?.answer(home);
  await second;
  const third = find();
  waiting[2]?.fail();
  t.same(await third, home, 'it fails');
  t.same(await find(), home, 'it hangs');
  const moved: LookupAddress[] = [{ address: '127.0.0.2', family: 4 }];
  waiting[3]?.answer(moved);
  await new Promise(setImmediate);
  const last = find();
  waiting[4]?.answer([]);
  t.same(await last, [], 'and is believed as soon as it answers');
});

t.test('node:net takes it', async (t) => {
  const { lookup, waiting } = setUp();
  const server = createServer((socket) => socket.end());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const socket = connect({ host: 'node.invalid', port, lookup });
  waiting[0]?.answer(home);
  await new Promise((done, fail) => socket.once('connect', done).once('error', fail));
  t.equal(socket.remoteAddress, '127.0.0.1');
  socket.destroy();
});
