/** `floodgate migrate` on real processes: counted, wrapped, and everybody still signs in. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSync } from '@node-rs/argon2';
import t, { type Test } from 'tap';
import { type Answer, decided, type Fleet, isUndecided, startFleet } from './fleet.js';
import { createUsersRig } from './users-rig.js';

t.setTimeout(300_000);

const password = 'a password of long ago';

const wrapKey = `wk1:${Buffer.alloc(32, 6).toString('base64')}`;
const pepper = Buffer.alloc(32, 7);
const allKeys = `${wrapKey},pep1:${pepper.toString('base64')}`;

/** As a system with a pepper wrote it: argon2id names the key by `keyid`. */
const peppered = (secret: string): string =>
  hashSync(secret, { secret: pepper, memoryCost: 19_456, timeCost: 2, parallelism: 1 }).replace(
    'p=1$',
    `p=1,keyid=${Buffer.from('pep1').toString('base64').replace(/=+$/, '')}$`,
  );

/** All nodes again, with another key ring: a rollout that forgot something. */
const restartWith = async (fleet: Fleet, keys: string) => {
  fleet.env.PASSWORD_KEYS = keys;
  for (const [at, node] of fleet.nodes.entries()) {
    node.child.kill('SIGTERM');
    await node.exited;
    await fleet.restartNode(at);
  }
};

const countOf = (metrics: string, name: RegExp): number =>
  metrics
    .split('\n')
    .filter((line) => name.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);

/** The answer of a node that looked at the record; a busy machine refuses before that. */
const answered = async (ask: () => Promise<Answer>): Promise<Answer> => {
  const end = Date.now() + 20_000;
  for (;;) {
    const answer = await ask();
    const isLocked = answer.body.error === 'temporarily_unavailable';
    if (isLocked || !isUndecided(answer) || Date.now() > end) return answer;
    await sleep(200);
  }
};

const loseKeys = async (t: Test, fleet: Fleet, locked: readonly string[], other: string) => {
  await restartWith(fleet, `other:${Buffer.alloc(32, 8).toString('base64')}`);
  // More than opens a breaker: five failures in a row, half of twenty.
  for (let round = 0; round < 14; round++)
    for (const username of locked) {
      const secret = round % 7 === 6 ? 'not the password' : password;
      const { status, body, headers } = await answered(() => fleet.login(username, secret));
      t.strictSame([status, body.error], [503, 'temporarily_unavailable'], `${username} ${round}`);
      t.ok(headers.get('retry-after'), 'asked to come back');
    }
  const metrics = await fleet.metrics();
  t.ok(countOf(metrics, /^floodgate_password_keys_missing_total/) >= 14 * locked.length);
  t.equal(countOf(metrics, /^floodgate_node_breaker_state.*state="open"/), 0, 'no breaker opens');
  const alarms = fleet.logLines().filter(({ alarm }) => alarm === true);
  t.strictSame([...new Set(alarms.map(({ key }) => key))].sort(), ['pep1', 'wk1']);
  t.equal((await decided(() => fleet.login(other))).status, 200, other);
  await restartWith(fleet, allKeys);
  for (const username of locked) {
    t.equal((await decided(() => fleet.login(username, 'wrong'))).status, 401, username);
    t.equal((await decided(() => fleet.login(username, password))).status, 200, username);
  }
};

t.test('floodgate migrate', async (t) => {
  const env = { PASSWORD_KEYS: allKeys };
  const fleet = await startFleet(t, { nodes: 2, edges: 1, env });
  const rig = createUsersRig(fleet);
  const migrate = async (...args: string[]) => {
    const { code, out, err } = await rig.migrate(...args);
    return `${code} ${out}${err}`;
  };

  t.match(await migrate('status'), /^0 There has been no campaign/);
  t.match(await migrate('pause'), /^1 .*409/);
  const digest = createHash('md5').update(password).digest('base64').replace(/=+$/, '');
  const awake = ['ann', 'bob', 'cid'];
  const names = [...awake, 'dee'];
  for (const username of names) {
    await fleet.importUser(username, `$x-digest$alg=md5,o=p,salt=$${digest}`);
  }
  t.match(
    await migrate('start', '--dry-run', '--watch'),
    /^0 [\s\S]*Dry run: 4 [\s\S]*E +x-digest +4 /,
  );
  t.match(await migrate('start', '--watch'), /^1 [\s\S]*Nothing was wrapped[\s\S]*--key/);
  t.match(await migrate('start', '--key', 'other'), /^1 [\s\S]*key is not valid/);
  t.match(await migrate('start', '--key', 'wk1', '--watch'), /^0 [\s\S]*Done: 4 wrapped, 0 had/);
  t.match(JSON.parse((await migrate('status', '--json')).slice(2)), {
    campaign: { status: 'done', wrapped: 4, key: 'wk1', share: 10 },
  });
  t.match(await migrate('cancel'), /^1 /);
  t.match(await migrate('share', '50'), /^1 .*409/);
  t.match(await migrate('share', '0'), /^1 .*share is not valid/);
  t.match(await migrate('share'), /^2 Usage/);
  const audited = fleet.logLines().filter(({ audit }) => audit === 'admin_campaign');
  t.match(
    audited.filter(({ action }) => action === 'campaign share'),
    [{ share: '50', outcome: 'campaign_conflict' }],
  );
  for (const username of awake) {
    t.equal((await decided(() => fleet.login(username, password))).status, 200, username);
    t.equal((await decided(() => fleet.login(username, digest))).status, 401, 'pass-the-hash');
  }

  await t.test('whoever watches does not mind that the gateway is started again', async (t) => {
    for (let i = 0; i < 20; i++)
      await fleet.importUser(`later${i}`, `$x-digest$alg=md5,o=p,salt=$${digest}`);
    t.match(await migrate('start', '--key', 'wk1', '--share', '1'), /^0 /);
    t.match(await migrate('pause'), /^0 /);
    const { child, done } = rig.watchMigration();
    await new Promise((resolve) => child.stderr?.once('data', resolve));
    fleet.gateway().child.kill('SIGTERM');
    await fleet.gateway().exited;
    // Some of its looks find nobody.
    await sleep(2500);
    t.equal(child.exitCode, null);
    await fleet.restartGateway();
    const campaign = (path: string, body?: object) =>
      decided(() => fleet.admin('POST', `/campaigns/${path}`, body));
    t.equal((await campaign('share', { share: '100' })).status, 200);
    t.equal((await campaign('resume')).status, 200);
    const { code, out } = await done;
    t.match(`${code} ${out}`, /^0 [\s\S]*Done: 20 wrapped/);
  });

  await t.test('without a key it is never a wrong password, and nobody else notices', async (t) => {
    await fleet.importUser('pip', peppered(password));
    await fleet.register('una');
    await loseKeys(t, fleet, ['dee', 'pip'], 'una');
  });
});
