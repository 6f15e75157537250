/** `floodgate migrate` over a table that other programs go on using: real PostgreSQL, Redis and node. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { startNode } from '../../worker/test/node.js';
import { noPostgres, startPostgres } from '../../worker/test/postgres-server.js';
import { openAdminPort } from './admin-port.mjs';

t.setTimeout(120_000);

const md5 = (password) => createHash('md5').update(password).digest('hex');
const table = {
  ...{ table: 'users', id: 'id', login: 'login', hash: 'pass', isLower: false },
  ...{ status: undefined, version: undefined },
  ...{ format: 'digest,alg=md5', defaultScopes: 'account' },
};

const setUp = async (t) => {
  const [server, postgres] = [await startRedis(t), await startPostgres(t)];
  const redis = connectRedis({ url: server.url, name: 'test', log: { info() {}, warn() {} } });
  t.teardown(() => redis.disconnect());
  await whenReady(redis, 5000);
  await postgres.ask('CREATE TABLE users (id serial PRIMARY KEY, login text UNIQUE, pass text)');
  const hashes = ['a', 'b', 'c'].map(md5);
  await postgres.ask('INSERT INTO users (login, pass) SELECT p, p FROM unnest($1::text[]) p', [
    hashes,
  ]);
  const node = await startNode(t, {
    redisUrl: server.url,
    credentials: { url: postgres.url, connections: 2, table },
    passwordKeys: { wk1: Buffer.alloc(32, 5) },
  });
  const { floodgate } = await openAdminPort(t, { node, redis });
  const stored = async () => {
    const rows = await postgres.ask('SELECT pass FROM users ORDER BY id');
    return rows.map(({ pass }) => pass);
  };
  return { migrate: (...args) => floodgate('migrate', ...args), hashes, stored };
};

t.test("nobody's table is wrapped unless that is said", { skip: noPostgres }, async (t) => {
  const { migrate, hashes, stored } = await setUp(t);
  t.match(await migrate('start', '--dry-run', '--watch'), /^0 [\s\S]*Dry run: 3 /);
  for (const more of [[], ['--watch']])
    t.match(
      await migrate('start', '--key', 'wk1', ...more),
      /^1 Nothing was wrapped: the hashes are in a table of your own, [\s\S]*use --force/,
    );
  const status = await migrate('status', '--json');
  const refused = { status: 'refused', table: true, forced: false, seen: 0, wrapped: 0 };
  t.match(JSON.parse(status.slice(2)), { campaign: refused });
  t.match(await migrate('resume'), /^1 .*409/, 'nothing is under way');
  t.strictSame(await stored(), hashes);

  const forced = await migrate('start', '--key', 'wk1', '--force', '--share', '100', '--watch');
  t.match(forced, /^0 [\s\S]*Done: 3 wrapped/);
  for (const pass of await stored()) t.match(pass, /^\$wrap1\$in=digest,k=wk1\$/);
});
