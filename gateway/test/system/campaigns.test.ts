/** `floodgate migrate` on real processes: counted, wrapped, and everybody still signs in. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { decided, startFleet } from './fleet.js';

t.setTimeout(300_000);

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const password = 'a password of long ago';

t.test('floodgate migrate', async (t) => {
  const env = { PASSWORD_KEYS: `wk1:${Buffer.alloc(32, 6).toString('base64')}` };
  const fleet = await startFleet(t, { nodes: 2, edges: 1, env });
  const { PATH, ADMIN_TOKEN, DATA_DIR } = fleet.env;
  const ADMIN_URL = `http://127.0.0.1:${fleet.adminPort}`;

  const migrate = (...args: string[]) => {
    const command = [join(root, 'ops/floodgate.mjs'), 'migrate', ...args];
    const child = spawn(process.execPath, command, {
      env: { PATH, ADMIN_TOKEN, DATA_DIR, ADMIN_URL },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        text += data;
      });
    return new Promise<string>((done) => child.once('close', (code) => done(`${code} ${text}`)));
  };

  t.match(await migrate('status'), /^0 There has been no campaign/);
  t.match(await migrate('pause'), /^1 .*409/);
  const digest = createHash('md5').update(password).digest('base64').replace(/=+$/, '');
  const names = ['ann', 'bob', 'cid'];
  for (const username of names) {
    const hash = `$x-digest$alg=md5,o=p,salt=$${digest}`;
    t.equal((await fleet.admin('POST', '/users', { username, hash })).status, 201);
  }
  t.match(
    await migrate('start', '--dry-run', '--watch'),
    /^0 [\s\S]*Dry run: 3 [\s\S]*E +x-digest +3 /,
  );
  t.match(await migrate('start', '--watch'), /^0 [\s\S]*Nothing was wrapped[\s\S]*--key/);
  t.match(await migrate('start', '--key', 'other'), /^1 [\s\S]*key is not valid/);
  t.match(await migrate('start', '--key', 'wk1', '--watch'), /^0 [\s\S]*Done: 3 wrapped, 0 had/);
  t.match(JSON.parse((await migrate('status', '--json')).slice(2)), {
    campaign: { status: 'done', wrapped: 3, key: 'wk1', share: 25 },
  });
  t.match(await migrate('cancel'), /^1 /);
  for (const username of names) {
    t.equal((await decided(() => fleet.login(username, password))).status, 200, username);
    t.equal((await decided(() => fleet.login(username, digest))).status, 401, 'pass-the-hash');
  }
});
