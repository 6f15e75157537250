/** A small table of weak hashes moved in as an operator does it: imported, then wrapped in bulk. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { decided, type Fleet, password } from './fleet.js';
import { createUsersRig } from './users-rig.js';

const people = 20;

export const bulkEnv = { PASSWORD_KEYS: `wk1:${Buffer.alloc(32, 6).toString('base64')}` };

/** The fleet needs `bulkEnv`. `addressOf`: each person's own, or the limits of one address would decide. */
export const moveInBulk = async (t: Test, fleet: Fleet, addressOf: (at: number) => string) => {
  const { users, migrate } = createUsersRig(fleet);
  const md5 = createHash('md5').update(password).digest('hex');
  const names = Array.from({ length: people }, (_, at) => `old-${at}@example.org`);
  const header = { type: 'header', version: 1, defaults: { format: 'digest', alg: 'md5' } };
  const rows = names.map((login, at) => ({ id: `old-${at}`, login, hash: md5 }));
  const path = join(fleet.dir, 'old.ndjson');
  writeFileSync(path, [header, ...rows].map((row) => `${JSON.stringify(row)}\n`).join(''));

  const good = { code: 0, out: new RegExp(`good +${people}`) };
  t.match(await users('import', path), good, 'a dry run');
  t.match(await users('import', path, '--commit'), good);
  t.match(await users('import', path, '--commit'), good, 'again, which changes nothing');
  const wrapped = new RegExp(`Done: ${people} wrapped`);
  t.match(await migrate('start', '--key', 'wk1', '--watch'), { code: 0, out: wrapped });
  for (const [at, name] of names.entries()) {
    const { login } = fleet.client(addressOf(at));
    const answer = await decided(() => login(name));
    t.match(answer, { status: 200, body: { user_id: `old-${at}` } }, name);
    // One is enough: a wrong password is answered late.
    if (at > 0) continue;
    t.equal((await decided(() => login(name, md5))).status, 401, 'the inner digest is no password');
  }
  const { out } = await users('export', '-', '--with-hashes');
  t.equal(out.match(/"login":"old-/g)?.length, people);
};
