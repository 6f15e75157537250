import { randomBytes } from 'node:crypto';
import t from 'tap';
import { startRedis } from '../../shared/test/redis-server.js';
import { createDevices } from '../devices.js';
import { loadKeys } from '../tokens/keys.js';
import { newU } from './sessions/session-parts.js';
import { openClient } from './store.js';

const day = 86_400_000;

const setup = async (t: Parameters<typeof openClient>[0]) => {
  const redis = await openClient(t, await startRedis(t));
  const clock = { now: Date.UTC(2026, 10, 23, 0, 0, 1) };
  const now = () => clock.now;
  const keys = await loadKeys({ redis, kek: randomBytes(32), now });
  return { keys, clock, devices: createDevices({ keys, now }), u: newU() };
};

t.test('however often somebody signs in on a day, it is one device with one budget', async (t) => {
  const { keys, clock, devices, u } = await setup(t);
  const names = new Set<string | undefined>();
  for (let i = 0; i < 24; i++, clock.now += day / 24) names.add(devices.find(u, devices.issue(u)));
  t.equal(names.size, 1);
  const [name] = names;
  t.type(name, 'string');
  const next = devices.find(u, devices.issue(u));
  t.not(next, name, 'the next day');
  await keys.rotateMac('device', 180 * day);
  clock.now += 60_000;
  t.equal(devices.find(u, devices.issue(u)), next, 'under the next key, too');
});

t.test('good for 180 days, for its own account, in one spelling', async (t) => {
  const { clock, devices, u } = await setup(t);
  const token = devices.issue(u);
  t.equal(devices.find(newU(), token), undefined);
  for (const bad of [undefined, '', u, `${token}x`, `${token}.`, `${token}.x`, 'x'.repeat(300)])
    t.equal(devices.find(u, bad), undefined);
  clock.now += 180 * day - 2000;
  t.ok(devices.find(u, token));
  clock.now += 2000;
  t.equal(devices.find(u, token), undefined);
});
