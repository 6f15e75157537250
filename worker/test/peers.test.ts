/** Whom a node finds in the registry at its start, and what it makes of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createLog } from '../../shared/log.js';
import { type NodeEntry, openEntry, signEntry } from '../../shared/protocol.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { fingerprintStore } from '../credentials/fingerprint.js';
import type { CredentialsSettings } from '../credentials/settings.js';
import { createHeartbeat } from '../heartbeat.js';
import { meetPeers } from '../peers.js';
import { newId } from './node.js';

t.setTimeout(60_000);
const log = createLog({ level: 'silent', role: 'test' });

type Peer = { id: string; secret?: string; store?: string };

/** A registry with these nodes in it, and what a node of the store "ours" says to that. */
const setUp = async (t: Test, peers: readonly Peer[]) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, name: 'test', log });
  t.teardown(() => redis.disconnect());
  await whenReady(redis, 5000);
  const beats = peers.map(({ id, secret = 'current', store }) => {
    const about = { id, boot_id: newId(), slots: 1, version: '1', zone: 'z' };
    const entry = { ...about, ...(store !== undefined && { store }) };
    return createHeartbeat({ redis, secret, entry, log });
  });
  for (const beat of beats) {
    await beat.enter([]);
    beat.start();
    t.teardown(beat.leave);
  }
  const meet = () =>
    meetPeers({ redis, secrets: ['current', 'previous'], store: 'ours' }).then(
      () => 'starts',
      ({ message }: Error) => message,
    );
  return { beats, meet };
};

const outcomeOf = async (t: Test, peers: readonly Peer[]) => (await setUp(t, peers)).meet();

t.test('a node starts beside those of its store, and those that do not say', async (t) => {
  t.equal(await outcomeOf(t, []), 'starts');
  t.equal(await outcomeOf(t, [{ id: 'a', store: 'ours' }, { id: 'b' }]), 'starts');
  const changing = [
    { id: 'a', secret: 'previous', store: 'ours' },
    { id: 'b', secret: 'unknown', store: 'theirs' },
  ];
  t.equal(await outcomeOf(t, changing), 'starts', 'who signs otherwise is not heard');
});

t.test('one of another store ends the start, whatever the others say', async (t) => {
  const [ours, theirs] = [
    { id: 'a', store: 'ours' },
    { id: 'b', secret: 'previous', store: 'theirs' },
  ];
  const many = ['c', 'd', 'e'].map((id) => ({ ...theirs, id }));
  const [one, four, secret] = await Promise.all([
    outcomeOf(t, [ours, theirs]),
    outcomeOf(t, [theirs, ...many]),
    outcomeOf(t, [{ ...theirs, secret: 'unknown' }]),
  ]);
  t.match(
    one,
    /^CREDENTIALS_URL and .* those of 1 nodes in the registry \(b\): .* stop them first/,
  );
  t.match(four, /those of 4 nodes in the registry \(b, c, d, …\): start this node with the ones/);
  t.match(secret, /^NODE_SECRET fits none of the 1 nodes/);
});

t.test('those that are about to end are waited for', async (t) => {
  const { beats, meet } = await setUp(t, [{ id: 'a', store: 'theirs' }]);
  const met = meet();
  await sleep(300);
  for (const beat of beats) await beat.leave();
  t.equal(await met, 'starts');
});

t.test('an entry with a store that is no text is none', async (t) => {
  const about = { ...{ id: 'a', boot_id: 'b', endpoints: [], slots: 1 }, version: '1', zone: 'z' };
  const entry: NodeEntry = { ...about, draining: false, store: 'ours' };
  t.same(openEntry(['s'], signEntry('s', entry)), entry);
  const wrong: NodeEntry = JSON.parse(JSON.stringify({ ...entry, store: 1 }));
  t.equal(openEntry(['s'], signEntry('s', wrong)), undefined);
});

t.test('what is compared is where records are, and how their rows are found', async (t) => {
  const table: NonNullable<CredentialsSettings['table']> = {
    ...{ table: 'users', id: 'id', login: 'login', hash: 'pass', isLower: false },
    ...{ status: undefined, version: undefined, format: undefined, defaultScopes: 'account' },
  };
  const url = 'postgres://u:secret@db/shop';
  const given = { url, connections: 4, table: undefined };
  const mapped = { ...given, table };
  const same = (change: Partial<CredentialsSettings>, base: CredentialsSettings = mapped) =>
    fingerprintStore({ ...base, ...change }) === fingerprintStore(base);
  const sameTable = (change: Partial<typeof table>) => same({ table: { ...table, ...change } });

  t.match(fingerprintStore(mapped), /^[0-9a-f]{16}$/);
  t.ok(same({ url: 'postgres://v:other@10.0.0.1:6432,db2/shop?sslmode=require', connections: 9 }));
  t.ok(sameTable({ status: { column: 'state', active: ['1'] }, version: 'v' }));
  t.ok(sameTable({ format: 'digest,alg=md5', defaultScopes: 'more' }));

  t.notOk(same({ url: undefined }, given), 'Redis');
  t.notOk(same({ url: 'postgres://u:secret@db/other' }), 'another database');
  t.notOk(same({ table: undefined }), 'a table of ours');
  for (const change of [{ table: 'app.users' }, { id: 'nr' }, { login: 'email' }, { hash: 'pw' }])
    t.notOk(sameTable(change), Object.keys(change).join());
  t.notOk(sameTable({ isLower: true }));
});
