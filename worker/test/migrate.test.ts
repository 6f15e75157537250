import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import argon2 from '@node-rs/argon2';
import bcrypt from '@node-rs/bcrypt';
import t from 'tap';
import { createLog } from '../../shared/log.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { createStrong } from '../../shared/strong.js';
import { startRedis, type TestRedis } from '../../shared/test/redis-server.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import { createRedisCredentials } from '../credentials/redis.js';
import { createAdmission } from '../passwords/admission.js';
import { createBlocklist } from '../passwords/blocklist.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { writeWrapped } from '../passwords/formats/wrapped.js';
import { createLock, type Lock } from '../passwords/lock.js';
import { createMigrate, type MigrationOutcome } from '../passwords/migrate.js';
import { createPolicy } from '../passwords/policy.js';
import { writeSetting } from '../passwords/recipes/kinds.js';
import { mysql323 } from '../passwords/recipes/mysql323.js';
import { writeStored } from '../passwords/recipes/text.js';
import { createThreads } from '../passwords/threads.js';
import { runWork } from '../passwords/work.js';
import { cheap, newId, startNode } from './node.js';

const password = 'a';
/** The password above at the lowest cost. */
const legacy = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';
const log = createLog({ level: 'silent', role: 'test' });
const redis = await startRedis(t);
const client = connectRedis({ url: redis.url, name: 'test', log });
t.teardown(() => client.disconnect());
await whenReady(client, 2000);
const credentials = createRedisCredentials({ redis: client });
const threads = createThreads({ count: 2, log });
t.teardown(threads.stop);
const policy = createPolicy({ target: cheap, blocklist: createBlocklist() });
// A migration is dropped after two seconds, and on a busy machine a thread takes that to start.
await threads.warm(policy.hashWork(password));

const importUser = async (hash = legacy): Promise<{ u: string; seen: Credential }> => {
  const u = newId();
  const record = {
    name: '',
    userId: `x-${u}`,
    hash,
    norm: 'raw',
    scopes: '',
    attempt: '',
  } as const;
  await credentials.create(u, { ...record, status: 'active' });
  const seen = await credentials.find(u);
  if (seen === undefined) throw new Error('the record is not there');
  return { u, seen };
};

const usable = (stored: string) => {
  const hash = readHash(stored);
  if (!isUsable(hash)) throw new Error('the hash is not usable');
  return hash;
};

/** Patient, where the subject is not what happens when a server is late. */
const openLock = async (urls: readonly string[], commandTimeoutMs = 5000): Promise<Lock> => {
  const clients = urls.map((url) => connectRedis({ url, name: 'lock', log, commandTimeoutMs }));
  t.teardown(() => clients.map((lockClient) => lockClient.disconnect()));
  await Promise.all(clients.map((lockClient) => whenReady(lockClient, 5000)));
  return createLock({ clients, log, patienceMs: 1.5 * commandTimeoutMs });
};
const lock = await openLock([redis.url]);

const createSetup = (given: { lock?: Lock; slots?: number; store?: Credentials } = {}) => {
  const admission = createAdmission({
    slots: given.slots ?? 2,
    memoryBytes: 2 ** 30,
    defaultCost: policy.cost,
    send: threads.send,
  });
  const outcomes: MigrationOutcome[] = [];
  const migrate = createMigrate({
    credentials: given.store ?? credentials,
    admission,
    lock: given.lock ?? lock,
    policy,
    count: (outcome) => void outcomes.push(outcome),
    log,
  });
  const schedule = (u: string, seen: Credential, typed = password) =>
    migrate.schedule(u, seen, usable(seen.hash), typed);
  const run = async (u: string, seen: Credential, typed?: string) => {
    schedule(u, seen, typed);
    await migrate.idle();
    return outcomes.at(-1);
  };
  return { admission, migrate, outcomes, schedule, run };
};

t.test('an outdated hash is replaced once and verifies', async (t) => {
  const { u, seen } = await importUser();
  const { run, outcomes } = createSetup();
  t.equal(await run(u, seen), 'migrated');
  const now = await credentials.find(u);
  t.match(now?.hash, /^\$argon2id\$v=19\$m=64,t=1,p=1\$/);
  t.match(now, { version: '2', norm: 'nfc', gen: 1, userId: seen.userId });
  if (now !== undefined) await run(u, now);
  t.same(outcomes, ['migrated'], 'a current one is left alone');
});

t.test('a record that changed meanwhile is left alone', async (t) => {
  const { u, seen } = await importUser();
  const { run } = createSetup();
  const change = { hash: '$argon2id$new', attempt: newId() };
  t.equal(await credentials.changePassword(u, seen, change), 2);
  t.equal(await run(u, seen), 'lost_race');
  t.match(await credentials.find(u), { hash: '$argon2id$new', version: '2', gen: 2 });
});

t.test('one that somebody else is migrating is left to them', async (t) => {
  const { u, seen } = await importUser();
  const { run } = createSetup();
  const held = await lock.tryLock(`migrate:{${u}}`);
  if (typeof held === 'string') throw new Error(`no lock: ${held}`);
  t.equal(held.isHeld(), true);
  t.equal(await run(u, seen), 'skipped_busy');
  await held.release();
  t.equal(await run(u, seen), 'migrated');
});

t.test('a single login in the only slot puts it off', async (t) => {
  const { u, seen } = await importUser();
  const { run, admission } = createSetup({ slots: 1 });
  const ticket = admission.enter({
    class: 'login',
    deadlineAt: Number.POSITIVE_INFINITY,
    isGone: () => false,
  });
  t.equal(await run(u, seen), 'skipped_room');
  admission.leave(ticket);
  t.equal(await run(u, seen), 'migrated');
});

t.test('what bcrypt never checked counts from the migration on', async (t) => {
  const typed = `${'x'.repeat(72)}, and what comes after`;
  const { u, seen } = await importUser(bcrypt.hashSync(typed, { cost: 4 }));
  t.equal(bcrypt.compareSync('x'.repeat(72), seen.hash), true, 'bcrypt ends after 72 bytes');
  t.equal(await createSetup().run(u, seen, typed), 'migrated');
  const hash = (await credentials.find(u))?.hash ?? '';
  t.equal(argon2.verifySync(hash, typed), true);
  t.equal(argon2.verifySync(hash, 'x'.repeat(72)), false);
});

const mysqlOf = (password: string): string => {
  const params = { alg: 'mysql323', o: 'p', salt: Buffer.alloc(0) };
  return writeStored({ kind: 'digest', params }, mysql323(Buffer.from(password)));
};

/** Each takes a password with a space behind it for the one without. */
const forgiving = (): [name: string, stored: string][] => {
  const input = createHmac('sha384', 'wp-sha384').update('secret').digest('base64');
  const wordpress = bcrypt.hashSync(input, { cost: 4, salt: Buffer.alloc(16, 7) });
  const mysql = mysqlOf('secret');
  const { recipe, digest } = usable(mysql);
  const wrap = {
    ...{ in: 'digest', setting: writeSetting({ recipe, bytes: digest.length }), k: '-' },
    ...{ m: 64, t: 1, p: 1, salt: Buffer.alloc(16, 9) },
  };
  const tag = Buffer.from(String(runWork(['wrap', wrap, digest, 32, {}])), 'base64');
  return [
    ['WordPress', `$wp${wordpress.replace('$2b$', '$2y$')}`],
    ['MySQL before 4.1', mysql],
    ['the same, wrapped', writeWrapped(wrap, tag)],
  ];
};

t.test('a passphrase with spaces between its words is migrated', async (t) => {
  const typed = 'four words and\tmore';
  const { u, seen } = await importUser(mysqlOf(typed));
  const { run } = createSetup();
  t.equal(await run(u, seen, `${typed} `), 'skipped_typed');
  t.equal(await run(u, seen, typed), 'migrated');
  t.equal(argon2.verifySync((await credentials.find(u))?.hash ?? '', typed), true);
});

t.test('what the old hash passes over is not made part of the password', async (t) => {
  for (const [name, stored] of forgiving()) {
    const { u, seen } = await importUser(stored);
    const { run, outcomes } = createSetup();
    for (const typed of ['secret ', ' secret\t']) {
      t.equal(runWork(usable(stored).verify(typed)), true, `${name} takes it`);
      t.equal(await run(u, seen, typed), 'skipped_typed', name);
    }
    t.match(await credentials.find(u), { hash: stored, version: '1' });
    t.equal(await run(u, seen, 'secret'), 'migrated', name);
    t.equal(argon2.verifySync((await credentials.find(u))?.hash ?? '', 'secret'), true);
    t.same(outcomes, ['skipped_typed', 'skipped_typed', 'migrated']);
  }
  const { u, seen } = await importUser(bcrypt.hashSync('secret ', { cost: 4 }));
  t.equal(await createSetup().run(u, seen, 'secret '), 'migrated', 'one that reads it keeps it');
});

t.test('an expired lock writes nothing', async (t) => {
  const { u, seen } = await importUser();
  const expired: Lock = {
    tryLock: async () => ({ isHeld: () => false, release: async () => {} }),
  };
  t.equal(await createSetup({ lock: expired }).run(u, seen), 'skipped_lock');
  t.match(await credentials.find(u), { hash: legacy, version: '1' });
});

t.test('what the replicas do not confirm counts as failed, and is not written twice', async (t) => {
  const strict = connectRedis({ url: redis.url, name: 'test', log });
  t.teardown(() => strict.disconnect());
  await whenReady(strict, 5000);
  strict.strong = { run: createStrong({ client: strict, replicas: 1 }), client: strict };
  const { u, seen } = await importUser();
  const { run, outcomes } = createSetup({ store: createRedisCredentials({ redis: strict }) });
  t.equal(await run(u, seen), 'failed');
  const now = await credentials.find(u);
  t.equal(now?.version, '2', 'the master has it');
  if (now !== undefined) await run(u, now);
  t.same(outcomes, ['failed']);
});

t.test('without a lock that works, the compare-and-set alone keeps it exact', async (t) => {
  const { u, seen } = await importUser();
  const open: Lock = { tryLock: async () => ({ isHeld: () => true, release: async () => {} }) };
  const setups = Array.from({ length: 8 }, () => createSetup({ lock: open }));
  await Promise.all(setups.map(({ run }) => run(u, seen)));
  const outcomes = setups.flatMap((setup) => setup.outcomes).sort();
  t.same(outcomes, [...Array(7).fill('lost_race'), 'migrated']);
  t.equal((await credentials.find(u))?.version, '2');
});

t.test('lock servers: a stopped minority changes nothing, a majority puts it off', async (t) => {
  const servers: TestRedis[] = [];
  for (let i = 0; i < 3; i++) servers.push(await startRedis(t));
  const quorum = await openLock(
    servers.map(({ url }) => url),
    100,
  );
  const signal = (count: number, name: NodeJS.Signals) => {
    for (const server of servers.slice(0, count)) process.kill(server.pid(), name);
  };
  signal(1, 'SIGSTOP');
  const first = await importUser();
  t.equal(await createSetup({ lock: quorum }).run(first.u, first.seen), 'migrated');
  signal(2, 'SIGSTOP');
  const second = await importUser();
  t.equal(await createSetup({ lock: quorum }).run(second.u, second.seen), 'skipped_lock');
  t.match(await credentials.find(second.u), { hash: legacy, version: '1' });
  signal(2, 'SIGCONT');
});

t.test('a lock server that dies fails no process, whenever it dies', async (t) => {
  const server = await startRedis(t);
  const alone = await openLock([server.url], 100);
  const held = await alone.tryLock('migrate:{x}');
  t.equal(await alone.tryLock('migrate:{x}'), 'taken');
  await server.stop('SIGKILL');
  if (typeof held !== 'string') await held.release();
  t.equal(await alone.tryLock('migrate:{x}'), 'unreachable');
  // Redlock gives back what it has not got; a failure of that is nobody's to catch.
  await sleep(50);
});

t.test('a changed password always wins against a migration, 200 times', async (t) => {
  const { admission, migrate, schedule, outcomes } = createSetup({ slots: 2 });
  const newHash = await admission.run(
    admission.enter({ class: 'login', deadlineAt: Number.POSITIVE_INFINITY, isGone: () => false }),
    policy.hashWork('the new one'),
    policy.cost,
  );
  if (typeof newHash !== 'string') throw new Error('no hash was made');
  const change = async (u: string) => {
    const attempt = newId();
    for (let tries = 0; tries < 3; tries++) {
      const current = await credentials.find(u);
      if (current === undefined) throw new Error('the record is gone');
      const gen = await credentials.changePassword(u, current, { hash: newHash, attempt });
      if (gen !== undefined) break;
    }
  };
  /** Before it, at some moment of it, and after it. */
  const moments: ((u: string, start: () => void) => Promise<void>)[] = [
    (u, start) => change(u).then(start),
    ...[0, 1, 2, 3, 5].map((ms) => async (u: string, start: () => void) => {
      start();
      if (ms > 0) await sleep(ms);
      await change(u);
    }),
    async (u, start) => {
      start();
      await migrate.idle();
      await change(u);
    },
  ];
  const race = async (k: number) => {
    const { u, seen } = await importUser();
    await moments[k % moments.length]?.(u, () => schedule(u, seen));
    await migrate.idle();
    return credentials.find(u);
  };
  let wins = 0;
  for (let i = 0; i < 200; i += 2) {
    // Not more than there are threads: a migration that finds none free is put off.
    const done = await Promise.all([race(i), race(i + 1)]);
    wins += done.filter((record) => record?.hash === newHash && record.gen === 2).length;
  }
  t.equal(wins, 200);
  t.equal(outcomes.length, 200);
  const count = (outcome: MigrationOutcome) => outcomes.filter((one) => one === outcome).length;
  t.ok(count('migrated') >= 20, 'that had been migrated');
  t.ok(count('lost_race') >= 20, 'that was about to be');
});

t.test('200 logins of one legacy user over two nodes: all right, one write', async (t) => {
  const given = { redisUrl: redis.url };
  const nodes = [
    await startNode(t, { ...given, nodeId: 'a' }),
    await startNode(t, { ...given, nodeId: 'b' }),
  ];
  const { u } = await importUser();
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const node = nodes[i % 2];
      for (let tries = 0; node !== undefined && tries < 200; tries++) {
        const { status, body } = await node.post('/login', { u, password });
        if (status !== 503) return body.outcome;
        await sleep(20 + Math.random() * 20);
      }
      return 'never';
    }),
  );
  t.same(new Set(answers), new Set(['ok']));
  // While nodes refuse logins they do not migrate; a later login does it.
  while ((await credentials.find(u))?.version === '1') {
    await sleep(300);
    await nodes[0]?.post('/login', { u, password });
  }
  await Promise.all(nodes.map(({ stop }) => stop()));
  t.match(await credentials.find(u), { version: '2', gen: 1 });
});
