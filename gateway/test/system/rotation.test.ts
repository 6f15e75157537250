/** Signing keys change while two gateways with two edges each are at work: nobody notices. */
import { execFile } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import bcrypt from '@node-rs/bcrypt';
import { decodeProtectedHeader } from 'jose';
import t from 'tap';
import { type Answer, decided, type Fleet, password, startFleet, textOf, until } from './fleet.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const run = promisify(execFile);
const kidOf = (token: string): string => String(decodeProtectedHeader(token).kid);

type Key = { kid: string; state: string };
const readKeys = (answer: Answer): Key[] => {
  const { keys } = answer.body;
  return Array.isArray(keys) ? keys : [];
};
const inState = (keys: readonly Key[], state: string) =>
  keys.filter((key) => key.state === state).map(({ kid }) => kid);

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

/** Two gateways on one store, and a session that gives as many tokens as wanted. */
const openTwo = async (t: Parameters<typeof startFleet>[0], env: Record<string, string>) => {
  // 127.0.0.1 stands for many clients.
  const more = { TRUSTED_PROXIES: '127.0.0.1', LOG_LEVEL: 'warn', ...env };
  const fleet = await startFleet(t, { nodes: 1, env: more });
  const bases = [fleet.base, await fleet.addGateway()];
  return { fleet, bases };
};

/** Every edge of every gateway is asked: new connections go round. */
const checkEverywhere = async (fleet: Fleet, bases: string[], token: string) => {
  const asked = bases.flatMap((base) =>
    Array.from({ length: 8 }, () => fleet.call('GET', '/v1/verify', undefined, token, base)),
  );
  return (await Promise.all(asked)).map(({ status }) => status);
};

t.test('rotation under load, again and again: not one failed check', async (t) => {
  const { fleet, bases } = await openTwo(t, { KEY_ROTATION_INTERVAL: '10s' });
  // Many accounts, because each has its limit of logins a minute.
  const hash = bcrypt.hashSync(password, { cost: 4 });
  const names = await Promise.all(
    Array.from({ length: 30 }, (_, at) => fleet.importUser(`kay-${at}`, hash)),
  );
  const sessions = await Promise.all(names.slice(0, 6).map(fleet.signIn));
  const tokens = sessions.map((answer) => textOf(answer, 'access_token'));
  const kids = new Set(tokens.map(kidOf));
  const faults: string[] = [];
  let checks = 0;
  let isOver = false;

  const note = (what: string, { status, body }: Answer) => {
    if (status !== 200) faults.push(`${what}: ${status} ${JSON.stringify(body)}`);
    return status === 200;
  };
  const keep = (token: string) => {
    tokens.push(token);
    kids.add(kidOf(token));
    if (tokens.length > 200) tokens.shift();
  };

  const refresh = async (at: number) => {
    let token = textOf(sessions[at] as Answer, 'refresh_token');
    for (let n = 0; !isOver; n++) {
      const to = bases[(at + n) % 2] ?? '';
      // A repeat gives the same successor; a busy machine may need one. A check may not.
      const answer = await decided(() =>
        fleet.call('POST', '/v1/refresh', { refresh_token: token }, undefined, to),
      );
      if (!note('refresh', answer)) return;
      token = textOf(answer, 'refresh_token');
      keep(textOf(answer, 'access_token'));
      await sleep(20);
    }
  };
  const signIn = async () => {
    for (let n = 0; !isOver; n++) {
      keep(textOf(await fleet.signIn(names[n % names.length] ?? ''), 'access_token'));
      await sleep(100);
    }
  };
  const check = async (at: number) => {
    for (let n = 0; !isOver; n++) {
      const token = tokens[(7 * n + at) % tokens.length] ?? '';
      const to = bases[(at + n) % 2] ?? '';
      note('check', await fleet.call('GET', '/v1/verify', undefined, token, to));
      checks++;
      await sleep(10);
    }
  };

  const load = [
    ...sessions.slice(0, 3).map((_, at) => refresh(at)),
    signIn(),
    ...Array.from({ length: 6 }, (_, at) => check(at)),
  ];
  const rotate = async () => {
    const [next = ''] = inState(readKeys(await fleet.admin('POST', '/keys/rotate', {})), 'next');
    for (const base of bases)
      await until('the next key is published', async () => {
        const { body } = await fleet.call(
          'GET',
          '/.well-known/jwks.json',
          undefined,
          undefined,
          base,
        );
        return JSON.stringify(body).includes(next);
      });
    await until('it signs', () => kids.has(next), 30_000);
  };
  for (let round = 0; round < 4; round++) await rotate();
  isOver = true;
  await Promise.all(load);
  t.ok(kids.size >= 5, `${kids.size} keys have signed`);
  t.ok(checks > 100, `${checks} checks`);
  t.strictSame(faults.slice(0, 5), []);
});

t.test(
  'an operator revokes a key: what it signed is dead on every edge, the next is good',
  async (t) => {
    const { fleet, bases } = await openTwo(t, {});
    await fleet.register('kay');
    const signedIn = await fleet.signIn('kay');
    const old = textOf(signedIn, 'access_token');
    const dead = new Set(await checkEverywhere(fleet, bases, old));
    t.strictSame([...dead], [200]);

    const command = async (...args: string[]): Promise<string> => {
      const { ADMIN_TOKEN, DATA_DIR, PATH } = fleet.env;
      const ADMIN_URL = `http://127.0.0.1:${fleet.adminPort}`;
      const env = { PATH, ADMIN_TOKEN, DATA_DIR, ADMIN_URL };
      const program = join(root, 'ops/floodgate.mjs');
      return (await run(process.execPath, [program, 'keys', ...args], { env })).stdout;
    };
    const [kid = ''] = inState(JSON.parse(await command('list', '--json')).keys, 'signing');
    t.equal(kid, kidOf(old));
    t.match(await command('list'), new RegExp(`${kid} +EdDSA +signing`));
    await t.rejects(command('rotate', '--revoke', 'x'), /floodgate keys list/);
    await t.rejects(command('rotate', 'now'), /Usage/);

    t.match(await command('rotate', '--revoke', kid), /EdDSA +signing/);
    const refresh = { refresh_token: textOf(signedIn, 'refresh_token') };
    const fresh = textOf(await fleet.post('/v1/refresh', refresh), 'access_token');
    t.not(kidOf(fresh), kid);
    t.strictSame([...new Set(await checkEverywhere(fleet, bases, fresh))], [200], 'known at once');
    await until('the old one is dead everywhere', async () =>
      (await checkEverywhere(fleet, bases, old)).every((status) => status === 401),
    );
    const { keys } = (await fleet.call('GET', '/.well-known/jwks.json')).body;
    t.notMatch(JSON.stringify(keys), kid);
    t.equal((await fleet.admin('POST', '/keys/rotate', { revoke: kid })).status, 404);
    t.equal((await fleet.admin('POST', '/keys/rotate', { revoke: 'x' })).status, 400);

    const before = await fleet.signIn('kay');
    t.match(await command('rotate', '--refresh'), /HMAC refresh +next/);
    t.match(await command('rotate', '--device'), /HMAC device +next/);
    const mine = { refresh_token: textOf(before, 'refresh_token') };
    t.equal((await decided(() => fleet.post('/v1/refresh', mine))).status, 200);
    t.equal((await fleet.admin('POST', '/keys/rotate', { purpose: 'x' })).status, 400);

    const [next = ''] = inState(JSON.parse(await command('rotate', '--json')).keys, 'next');
    t.strictSame(inState(JSON.parse(await command('rotate', '--json')).keys, 'next'), [next]);
  },
);
