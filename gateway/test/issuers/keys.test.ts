import t, { type Test } from 'tap';
import type { AppError } from '../../../shared/errors.js';
import { createIssuerKeys } from '../../issuers/keys.js';
import { createLine } from '../../issuers/line.js';
import { outcomeOf, quiet, until } from '../store.js';
import { createFakeKeys } from '../tokens/fake-keys.js';
import { type FakeIssuer, startFakeIssuer } from './fake-issuer.js';

const setup = async (t: Test) => {
  const issuer = await startFakeIssuer(t, 'partner');
  const clock = { now: 1_800_000_000_000 };
  const now = () => clock.now;
  const line = createLine({ name: 'partner', failuresToOpen: 1, log: quiet, timeoutMs: 300, now });
  const { jwksUrl: url, algorithms } = issuer.jwksSettings;
  const keys = createIssuerKeys({ url, algorithms, line, now });
  const find = (kid = 'partner-1') => keys.find(kid, 'EdDSA');
  return { issuer, clock, keys, find };
};

const minute = 60_000;
const publish = (issuer: FakeIssuer, kid: string) => issuer.keys.push(createFakeKeys('EdDSA', kid));

t.test('read once for all, then from memory', async (t) => {
  const { issuer, clock, find } = await setup(t);
  const found = await Promise.all(Array.from({ length: 50 }, () => find()));
  t.ok(found.every((key) => key !== undefined));
  clock.now += 5 * minute;
  t.ok(await find());
  t.equal(issuer.calls.jwks, 1);
});

t.test('after five minutes read again in the background', async (t) => {
  const { issuer, clock, keys, find } = await setup(t);
  await find();
  publish(issuer, 'partner-2');
  clock.now += 6 * minute;
  t.ok(await find(), 'with the keys that we have');
  t.ok(await until(() => keys.stats().keys === 2));
  t.equal(issuer.calls.jwks, 2);
});

t.test('after ten minutes read again first', async (t) => {
  const { issuer, clock, find } = await setup(t);
  await find();
  issuer.rotate('partner-2');
  clock.now += 11 * minute;
  t.ok(await find('partner-2'));
  t.equal(issuer.calls.jwks, 2);
});

t.test('an unknown key id: one reading for all, then a pause', async (t) => {
  const { issuer, clock, find } = await setup(t);
  await find();
  clock.now += 6000;
  publish(issuer, 'partner-2');
  const found = await Promise.all(Array.from({ length: 50 }, () => find('partner-2')));
  t.ok(found.every((key) => key !== undefined));
  t.equal(issuer.calls.jwks, 2);

  publish(issuer, 'partner-3');
  t.equal(await outcomeOf(() => find('partner-3')), 'issuer_unavailable', 'unknown, not invalid');
  const left = await find('partner-3').catch((error: AppError) => error.retryAfterMs);
  t.equal(left, 5000);
  clock.now += 5001;
  t.ok(await find('partner-3'));
  clock.now += 5001;
  t.equal(await find('never'), undefined, 'the issuer has no such key');
  t.equal(issuer.calls.jwks, 4);
});

t.test('a reading that was under way before says nothing of a key that is not in it', async (t) => {
  const { issuer, clock, keys, find } = await setup(t);
  await find();
  clock.now += 6 * minute;
  const before = find();
  t.equal(await outcomeOf(() => find('partner-2')), 'issuer_unavailable', 'it may be new');
  t.ok(await before);
  clock.now += 5001;
  t.equal(await find('partner-2'), undefined, 'now it is known that there is none');
  t.equal(issuer.calls.jwks, 3);
  t.equal(keys.stats().keys, 1);
});

t.test('a flood of unknown key ids makes one call per pause', async (t) => {
  const { issuer, clock, find } = await setup(t);
  await find();
  for (let round = 0; round < 3; round++) {
    clock.now += 5001;
    await Promise.all(Array.from({ length: 200 }, (_, at) => outcomeOf(() => find(`x${at}`))));
    await Promise.all(Array.from({ length: 200 }, (_, at) => outcomeOf(() => find(`y${at}`))));
  }
  t.equal(issuer.calls.jwks, 4);
});

t.test('the last good keys stay in force for an hour, and no longer', async (t) => {
  const { issuer, clock, keys, find } = await setup(t);
  await find();
  issuer.state.mode = 'status 500';
  clock.now += 11 * minute;
  t.ok(await find());
  t.equal(keys.stats().isStale, true);
  t.equal(await outcomeOf(() => find('partner-2')), 'issuer_unavailable');
  clock.now += 48 * minute;
  t.ok(await find());
  clock.now += 2 * minute;
  t.equal(await outcomeOf(() => find()), 'issuer_unavailable');
  issuer.state.mode = 'good';
  clock.now += minute;
  t.ok(await until(async () => (await outcomeOf(() => find())) === 'ok'));
  t.equal(keys.stats().isStale, false);
});

t.test('an issuer that hangs is waited for once', async (t) => {
  const { issuer, clock, find } = await setup(t);
  await find();
  issuer.state.mode = 'hang';
  clock.now += 11 * minute;
  t.ok(await find());
  t.equal(issuer.calls.jwks, 2);
  for (let i = 0; i < 100; i++) t.ok(await find());
  t.equal(issuer.calls.jwks, 2, 'the breaker is open');
  clock.now += 2000;
  for (let i = 0; i < 100; i++) t.ok(await find());
  t.ok(await until(() => issuer.calls.jwks === 3), 'tried again, and nobody waited for it');
});

t.test('a set without keys does not replace a good one', async (t) => {
  const { issuer, clock, find } = await setup(t);
  await find();
  const [key] = issuer.keys.splice(0);
  clock.now += 11 * minute;
  t.ok(await find());
  if (key) issuer.keys.push(key);
});

t.test('the epoch changes when a key is withdrawn, not when one is added', async (t) => {
  const { issuer, clock, keys, find } = await setup(t);
  await find();
  publish(issuer, 'partner-2');
  clock.now += 11 * minute;
  await find();
  t.equal(keys.epoch(), 0);
  issuer.keys.shift();
  clock.now += 11 * minute;
  await find('partner-2');
  t.equal(keys.epoch(), 1);
  issuer.rotate('partner-2');
  clock.now += 11 * minute;
  await find('partner-2');
  t.equal(keys.epoch(), 2, 'another key under the same id');
});
