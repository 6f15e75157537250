/** Many at once: identical logins share a hash, migration writes once, a changed password wins. */
import bcrypt from '@node-rs/bcrypt';
import t from 'tap';
import { password, startFleet, textOf, until } from './fleet.js';

const writes = (metrics: string): number =>
  [...metrics.matchAll(/^floodgate_migrations_total\{[^}]*outcome="migrated"[^}]*\} (\d+)/gm)]
    .map((match) => Number(match[1]))
    .reduce((sum, n) => sum + n, 0);

t.test('200 concurrent logins of one legacy user: all in, exactly one write', async (t) => {
  const fleet = await startFleet(t);
  await fleet.importUser('legacy', bcrypt.hashSync(password, { cost: 6 }));
  const answers = await Promise.all(Array.from({ length: 200 }, () => fleet.login('legacy')));
  t.same(
    answers.filter((answer) => answer.status !== 200).map((answer) => answer.body),
    [],
  );
  t.equal(new Set(answers.map((answer) => answer.body.session_id)).size, 200, 'own sessions');
  await until('the migration', async () => writes(await fleet.metrics()) >= 1);
  t.equal((await fleet.login('legacy')).status, 200, 'the new hash works');
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(writes(await fleet.metrics()), 1);
});

/** A user with a session; imported, so that registration limits do not matter. */
const start = async (fleet: Awaited<ReturnType<typeof startFleet>>, name: string, hash: string) => {
  await fleet.importUser(name, hash);
  const answer = await fleet.login(name);
  if (answer.status !== 200) throw new Error(`login: ${JSON.stringify(answer.body)}`);
  return answer;
};

t.test('a password change racing migration and logins always wins', async (t) => {
  const fleet = await startFleet(t, { env: { LOG_LEVEL: 'warn' } });
  const hash = bcrypt.hashSync(password, { cost: 4 });
  const next = `${password}-new`;
  const rounds = 200;
  const faults: string[] = [];

  const round = async (i: number) => {
    const name = `racer-${i}`;
    const first = await start(fleet, name, hash);
    // The first login has just been answered: its migration is running while the password changes.
    const [changed, ...racing] = await Promise.all([
      fleet.post(
        '/v1/password',
        { current_password: password, new_password: next },
        textOf(first, 'access_token'),
      ),
      fleet.login(name),
      fleet.login(name, next),
    ]);
    if (changed?.status === 503) return 'busy';
    if (changed?.status !== 200) faults.push(`change ${i}: ${JSON.stringify(changed?.body)}`);
    const old = await fleet.login(name);
    if (old.status === 200) faults.push(`round ${i}: the old password works`);
    const fresh = await fleet.login(name, next);
    if (fresh.status !== 200) faults.push(`round ${i}: the new one: ${JSON.stringify(fresh.body)}`);
    // A session that the old password opened must be dead, whenever it was opened.
    const [withOld] = racing;
    for (const before of [first, withOld]) {
      if (before?.status !== 200) continue;
      const token = textOf(before, 'access_token');
      await until(
        `round ${i}: token refused`,
        async () => (await fleet.verify(token)).status === 401,
      );
      const refresh = await fleet.post('/v1/refresh', {
        refresh_token: textOf(before, 'refresh_token'),
      });
      if (refresh.status !== 401) faults.push(`round ${i}: an old session refreshes`);
    }
    return 'done';
  };

  const outcomes: string[] = [];
  for (let i = 0; i < rounds; i += 4)
    outcomes.push(...(await Promise.all([0, 1, 2, 3].map((k) => round(i + k)))));
  t.same(faults, []);
  t.ok(outcomes.filter((outcome) => outcome === 'done').length > rounds / 2, 'most rounds raced');
});

t.test('one answer for every reason why not', async (t) => {
  const fleet = await startFleet(t, { env: { LOGIN_FAILURE_FLOOR: '300ms' } });
  await fleet.importUser('legacy', bcrypt.hashSync(password, { cost: 8 }));
  await fleet.importUser('disabled', bcrypt.hashSync(password, { cost: 4 }), {
    status: 'disabled',
  });
  await fleet.post('/v1/users', { username: 'current', password });
  const tries: [string, string][] = [
    ['nobody', password],
    ['current', 'wrong password'],
    ['legacy', 'wrong password'],
    ['disabled', password],
    ['disabled', 'wrong password'],
  ];
  const seen = new Set<string>();
  for (const [name, secret] of tries) {
    const before = performance.now();
    const answer = await fleet.login(name, secret);
    t.ok(performance.now() - before >= 299, `${name}: not before the floor`);
    const { request_id, ...body } = answer.body;
    t.type(request_id, 'string');
    const headers = [...answer.headers].filter(([key]) => !['date', 'x-request-id'].includes(key));
    seen.add(JSON.stringify([answer.status, body, headers]));
  }
  t.equal(seen.size, 1, 'the same status, body and headers');
});
