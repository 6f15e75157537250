/** Many at once: identical logins share a hash, migration writes once, a changed password wins. */
import bcrypt from '@node-rs/bcrypt';
import t from 'tap';
import { decided, password, startFleet, textOf, until } from './fleet.js';

const writes = (metrics: string): number =>
  [...metrics.matchAll(/^floodgate_migrations_total\{[^}]*outcome="migrated"[^}]*\} (\d+)/gm)]
    .map((match) => Number(match[1]))
    .reduce((sum, n) => sum + n, 0);

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

/** Starting one costs more than a test on it. 127.0.0.1 stands for many clients, and may hold as many connections. */
const usual = await startFleet(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } });

t.test('200 concurrent logins of one legacy user: all in, exactly one write', async (t) => {
  const fleet = usual;
  await fleet.importUser('legacy', bcrypt.hashSync(password, { cost: 6 }));
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => decided(() => fleet.login('legacy'))),
  );
  t.same(
    answers.filter((answer) => answer.status !== 200).map((answer) => answer.body),
    [],
  );
  t.equal(new Set(answers.map((answer) => answer.body.session_id)).size, 200, 'own sessions');
  // None while logins are refused: a later login finds room for it.
  await until('the migration', async () => {
    await fleet.login('legacy');
    await new Promise((resolve) => setTimeout(resolve, 300));
    return writes(await fleet.metrics()) >= 1;
  });
  t.equal((await fleet.login('legacy')).status, 200, 'the new hash works');
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(writes(await fleet.metrics()), 1);
});

t.test('a password change racing migration and logins always wins', async (t) => {
  const fleet = await startFleet(t, {
    // Two refusals a round: at the usual floor they are most of the time.
    env: { LOG_LEVEL: 'warn', TRUSTED_PROXIES: '127.0.0.1', LOGIN_FAILURE_FLOOR: '100ms' },
  });
  const hash = bcrypt.hashSync(password, { cost: 4 });
  const next = `${password}-new`;
  const rounds = 200;
  const faults: string[] = [];

  const round = async (i: number) => {
    const name = `racer-${i}`;
    // Each round from its own address: wrong guesses are limited per address and network.
    const { post, login } = fleet.client(`10.${i >> 8}.${i & 255}.1`);
    await fleet.importUser(name, hash);
    const first = await decided(() => login(name));
    // The first login has just been answered: its migration is running while the password changes.
    const [changed, ...racing] = await Promise.all([
      post(
        '/v1/password',
        { current_password: password, new_password: next },
        textOf(first, 'access_token'),
      ),
      login(name),
      login(name, next),
    ]);
    const fresh = await decided(() => login(name, next));
    if (changed?.status !== 200) {
      // Refused: the nodes are full, or three attempts of one account met at one edge. Or the answer
      // was lost; then it may be done or not.
      const isBusy = [429, 503, 504].includes(changed?.status ?? 0);
      if (!isBusy)
        faults.push(`change ${i}: ${changed?.status} ${changed?.body.error} after ${first.status}`);
      return isBusy ? 'busy' : 'failed';
    }
    if (fresh.status !== 200) faults.push(`round ${i}: the new one: ${JSON.stringify(fresh.body)}`);
    const old = await decided(() => login(name));
    if (old.status !== 401) faults.push(`round ${i}: the old password: ${old.status}`);
    // A session that the old password opened must be dead, whenever it was opened.
    const [withOld] = racing;
    for (const before of [first, withOld]) {
      if (before?.status !== 200) continue;
      const token = textOf(before, 'access_token');
      await until(
        `round ${i}: token refused`,
        async () => (await fleet.verify(token)).status === 401,
      );
      const refresh = await decided(() =>
        post('/v1/refresh', { refresh_token: textOf(before, 'refresh_token') }),
      );
      if (refresh.status !== 401) faults.push(`round ${i}: an old session refreshes`);
    }
    return 'done';
  };

  let done = 0;
  for (let i = 0; done < rounds && i < 3 * rounds; i += 4) {
    const outcomes = await Promise.all([0, 1, 2, 3].map((k) => round(i + k)));
    done += outcomes.filter((outcome) => outcome === 'done').length;
  }
  t.same(faults, []);
  t.ok(done >= rounds, `${done} races`);
});

t.test('one answer for every reason why not', async (t) => {
  const fleet = usual;
  await fleet.importUser('old', bcrypt.hashSync(password, { cost: 8 }));
  await fleet.importUser('disabled', bcrypt.hashSync(password, { cost: 4 }), {
    status: 'disabled',
  });
  await fleet.register('current');
  const tries: [string, string][] = [
    ['nobody', password],
    ['current', 'wrong password'],
    ['old', 'wrong password'],
    ['disabled', password],
    ['disabled', 'wrong password'],
  ];
  const seen = new Set<string>();
  for (const [name, secret] of tries) {
    const before = performance.now();
    const answer = await decided(() => fleet.login(name, secret));
    t.ok(performance.now() - before >= 299, `${name}: not before the floor`);
    const { request_id, ...body } = answer.body;
    t.type(request_id, 'string');
    const headers = [...answer.headers].filter(([key]) => !['date', 'x-request-id'].includes(key));
    seen.add(JSON.stringify([answer.status, body, headers]));
  }
  t.equal(seen.size, 1, 'the same status, body and headers');
});
