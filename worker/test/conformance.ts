/**
 * What every store of password records must do, as tests over any of them. `create` makes a fresh
 * account whose stored hash is `first`; `can` says what a store cannot do by its nature.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { RedisClient } from '../../shared/redis.js';
import type { Credentials, NewCredential, Seen } from '../credentials/credentials.js';
import { newId } from './node.js';

export type Subject = {
  credentials: Credentials;
  redis: RedisClient;
  /** A table of somebody else's keeps the names as they are and is not imported over. */
  isForeign: boolean;
  /** Without them, a stored text that comes back is the one that was seen. */
  hasVersions?: boolean;
};

export const nameOf = (u: string): string => `name-${u.toLowerCase()}`;

export const recordOf = (u: string, change: Partial<NewCredential> = {}): NewCredential => ({
  userId: `x-${u}`,
  hash: 'first',
  norm: 'nfc',
  scopes: 'account',
  attempt: newId(),
  status: 'active',
  name: nameOf(u),
  ...change,
});

export const testStore = (t: Test, subject: Subject): void => {
  const { credentials, redis, isForeign, hasVersions = true } = subject;
  const find = (u: string) => credentials.find(u, nameOf(u));
  const get = async (u: string) => {
    const found = await find(u);
    if (found === undefined) throw new Error('the record is not there');
    return found;
  };
  const create = async (change: Partial<NewCredential> = {}) => {
    const u = newId();
    await credentials.create(u, recordOf(u, change));
    return { u, found: await get(u) };
  };
  const norm = isForeign ? 'raw' : 'nfc';
  const replace = (u: string, seen: Seen, hash: string) =>
    credentials.replaceHash(u, seen, hash, norm);

  t.test('what was created is found, with and without its name', async (t) => {
    const u = newId();
    t.equal(await find(u), undefined);
    t.equal(await credentials.find(u), undefined);
    const made = await credentials.create(u, recordOf(u, { attempt: 'a-1' }));
    t.match(made, { outcome: 'ok', scopes: 'account', gen: 1 });
    const userId = made.outcome === 'ok' ? made.userId : '';
    const rest = { scopes: 'account', attempt: 'a-1', gen: 1, isActive: true, name: nameOf(u) };
    t.match(await find(u), { userId, hash: 'first', norm, ...rest });
    t.same(await credentials.find(u), await find(u));
    t.same(await redis.hmget(`user:{${u}}`, 'gen', 'status', 'user_id'), ['1', 'active', userId]);
  });

  t.test('creating is idempotent by attempt id', async (t) => {
    const u = newId();
    const first = recordOf(u);
    const made = await credentials.create(u, first);
    t.same(await credentials.create(u, first), made);
    t.same(await credentials.create(u, recordOf(u, { hash: 'other' })), { outcome: 'exists' });
    t.match(await find(u), { hash: 'first', gen: 1 });
  });

  t.test('of two registrations of one name at once one wins, 30 times', async (t) => {
    for (let i = 0; i < 30; i++) {
      const u = newId();
      const hashes = ['left', 'right'];
      const made = await Promise.all(
        hashes.map((hash) => credentials.create(u, recordOf(u, { hash }))),
      );
      const winner = hashes.filter((_, index) => made[index]?.outcome === 'ok');
      t.equal(winner.length, 1);
      t.match(await find(u), { hash: winner[0] });
    }
  });

  t.test('a deleted account is gone, and a new one goes on with its generations', async (t) => {
    const { u, found } = await create();
    t.equal(await credentials.changePassword(u, found, { hash: 'second', attempt: newId() }), 2);
    t.equal(await credentials.remove(u), true);
    t.equal(await credentials.remove(u), false);
    t.equal(await find(u), undefined);
    t.equal(await credentials.find(u), undefined);
    t.same(await redis.hmget(`user:{${u}}`, 'gen', 'status'), ['3', 'deleted']);
    t.match(await credentials.create(u, recordOf(u)), { outcome: 'ok', gen: 4 });
    t.match(await find(u), { gen: 4, isActive: true });
  });

  t.test('a hash is replaced only while the record is what was seen', async (t) => {
    const { u, found } = await create();
    const other = await create({ hash: 'other' });
    t.equal(await replace(u, { ...other.found, userId: found.userId }, 'x'), false);
    t.equal(await replace(u, found, 'second'), true);
    t.equal(await replace(u, found, 'third'), false);
    t.match(await find(u), { hash: 'second', gen: 1, attempt: found.attempt, norm });
    const gone = { ...found, userId: isForeign ? '0' : found.userId };
    t.equal(await replace(newId(), gone, 'x'), false, 'nothing there');
  });

  t.test('the version tells apart what the hash alone does not', async (t) => {
    const { u, found } = await create();
    await replace(u, found, 'second');
    await replace(u, await get(u), 'first');
    t.equal(await replace(u, found, 'third'), !hasVersions);
  });

  t.test('of many replacements at once one writes', async (t) => {
    const { u, found } = await create();
    const done = await Promise.all(
      Array.from({ length: 20 }, (_, i) => replace(u, found, `new-${i}`)),
    );
    t.equal(done.filter((isWritten) => isWritten).length, 1);
    t.equal((await get(u)).hash, `new-${done.indexOf(true)}`);
  });

  t.test('a password change raises the generation once per attempt', async (t) => {
    const { u, found } = await create();
    const change = { hash: 'second', attempt: newId() };
    t.equal(await credentials.changePassword(u, found, change), 2);
    t.equal(await credentials.changePassword(u, found, change), 2, 'a repeat finds its own write');
    const now = await get(u);
    t.equal(now.attempt, change.attempt);
    t.equal(await credentials.changePassword(u, now, { ...now }), 2, 'also with what it finds');
    const other = { hash: 'third', attempt: newId() };
    t.equal(await credentials.changePassword(u, found, other), undefined, 'a stale one does not');
    t.match(await find(u), { hash: 'second', gen: 2 });
    const same = { hash: now.hash, attempt: newId() };
    t.equal(await credentials.changePassword(u, await get(u), same), 3, 'the same hash is one');
  });

  t.test('a disabled account changes nothing', async (t) => {
    const { u, found } = await create();
    await redis.hset(`user:{${u}}`, 'status', 'disabled');
    const change = { hash: 'second', attempt: newId() };
    t.equal(await credentials.changePassword(u, found, change), undefined);
    t.match(await find(u), { hash: 'first', isActive: false });
    t.match((await create({ status: 'disabled' })).found, { isActive: false });
  });

  t.test('of two changes at once one wins, 30 times', async (t) => {
    for (let i = 0; i < 30; i++) {
      const { u, found } = await create();
      const hashes = ['left', 'right'];
      const gens = await Promise.all(
        hashes.map((hash) => credentials.changePassword(u, found, { hash, attempt: newId() })),
      );
      const winner = hashes.filter((_, index) => gens[index] !== undefined);
      t.match(await find(u), { hash: winner[0], gen: 2 });
      t.equal(winner.length, 1);
    }
  });

  t.test('a changed password always wins against a migration, 60 times', async (t) => {
    const race = async (ms: number) => {
      const { u, found } = await create();
      const migrating = sleep(ms % 3).then(() => replace(u, found, 'migrated'));
      for (let tries = 0; tries < 3; tries++) {
        const seen = await get(u);
        const change = { hash: 'changed', attempt: newId() };
        if ((await credentials.changePassword(u, seen, change)) !== undefined) break;
      }
      await migrating;
      return get(u);
    };
    for (let i = 0; i < 60; i += 6) {
      const done = await Promise.all([0, 1, 2, 3, 4, 5].map(race));
      for (const record of done) t.match(record, { hash: 'changed', gen: 2 });
    }
  });

  t.test('many are imported in order, and a repeat finds its own writes', async (t) => {
    const taken = await create();
    const [u, v] = [newId(), newId()];
    // A store may take them in parts.
    const others = Array.from({ length: 49 }, () => newId()).map((u) => ({
      u,
      record: recordOf(u),
    }));
    const rows = [
      { u, record: recordOf(u) },
      ...others,
      { u: taken.u, record: recordOf(taken.u, { hash: 'stale' }) },
      { u: v, record: recordOf(v, { status: 'disabled' }) },
      { u, record: recordOf(u, { hash: 'twice' }) },
    ];
    const outcomes = ['ok', ...others.map(() => 'ok'), 'exists', 'ok', 'exists'];
    const made = await credentials.createMany(rows, 'insert');
    t.same(
      made.map(({ outcome }) => outcome),
      outcomes,
    );
    t.same(await credentials.createMany(rows, 'insert'), made);
    const keys = [newId(), ...rows.map((row) => row.u)].map((u) => ({ u, name: nameOf(u) }));
    const found = await credentials.findMany(keys);
    t.same(
      found,
      await Promise.all(keys.map(({ u }) => find(u))),
      'many are found, each in its place',
    );
    t.match(await find(u), { hash: 'first', gen: 1 });
    t.match(await find(v), { isActive: false, gen: 1 });
    t.match(await find(taken.u), { hash: 'first' });
    t.same(await credentials.createMany([], 'insert'), []);
  });

  t.test('an import replaces what an import wrote, and nothing that changed since', async (t) => {
    const [u, v, w, x, off] = [newId(), newId(), newId(), newId(), newId()];
    const wrote = [u, v, x].map((key) => ({ u: key, record: recordOf(key) }));
    const disabled = { u: off, record: recordOf(off, { status: 'disabled' }) };
    await credentials.createMany([...wrote, disabled], 'insert');
    await credentials.create(w, recordOf(w));
    await replace(v, await get(v), 'migrated');
    const again = [u, v, w, x, off].map((key) => {
      const change = { hash: key === x ? 'first' : 'other', userId: 'y-1' };
      return { u: key, record: recordOf(key, change) };
    });
    const made = await credentials.createMany(again, 'replace-imported');
    t.match(await find(v), { hash: 'migrated', gen: 1 });
    t.match(await find(w), { hash: 'first', gen: 1 });
    t.match(await find(off), { isActive: false }, 'an import enables nobody');
    if (isForeign) {
      t.match(await find(u), { hash: 'first' }, "the owner's rows stay");
      return;
    }
    t.match(made[0], { outcome: 'ok', userId: `x-${u}`, gen: 2 }, 'the user id stays');
    t.match(made[3], { outcome: 'ok', gen: 1 }, 'the same hash ends nothing');
    t.same(made.slice(1, 3), [{ outcome: 'exists' }, { outcome: 'exists' }]);
    t.same(await credentials.createMany(again, 'replace-imported'), made);
    t.match(await find(u), { hash: 'other', version: '2', userId: `x-${u}` });
  });

  t.test('scopes are set where there is an account', async (t) => {
    const { u } = await create();
    t.equal(await credentials.setScopes(u, 'account admin'), true);
    t.match(await find(u), { scopes: 'account admin', hash: 'first', gen: 1 });
    t.equal(await credentials.setScopes(newId(), 'admin'), false);
  });

  t.test('a scan sees every record, changed or not meanwhile', async (t) => {
    const made = await Promise.all(Array.from({ length: 120 }, () => create()));
    const seen = new Map<string, string>();
    let cursor = '';
    do {
      const page = await credentials.scan(cursor, 50);
      cursor = page.cursor;
      for (const { u, credential } of page.rows) {
        seen.set(credential.name, u);
        t.ok(credential.hash);
      }
      const [changing] = made.splice(0, 1);
      if (changing) await replace(changing.u, changing.found, 'moved');
      await create();
    } while (cursor !== '');
    const missing = made.filter(({ u }) => !seen.has(nameOf(u)));
    t.equal(missing.length, 0);
    const last = made.at(-1);
    const u = seen.get(nameOf(last?.u ?? '')) ?? '';
    t.equal(isForeign || u === last?.u, true);
    const record = await credentials.find(u);
    t.equal(record?.hash, 'first', 'and what it calls a record leads there');
    if (record) t.equal(await replace(u, record, 'by scan'), true);
    t.match(await find(last?.u ?? ''), { hash: 'by scan' });
  });
};
