/** A call to an issuer that is a process of its own, while ours stands still. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { codeOf } from '../../../shared/errors.js';
import { fetchJson } from '../../issuers/fetch-json.js';
import { createLine } from '../../issuers/line.js';
import { quiet } from '../store.js';

const code = `
  const head = { 'content-type': 'application/json' };
  const server = require('node:http').createServer((req, res) => {
    const answer = () => res.writeHead(200, head).end('{"active":true}');
    if (req.url === '/') setTimeout(answer, 150);
  });
  server.listen(0, '127.0.0.1', () => process.send(server.address().port));`;

t.test('an answer that came while we stood still is no failure; none is one', async (t) => {
  const issuer = spawn(process.execPath, ['-e', code], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {},
  });
  t.teardown(() => issuer.kill());
  const [port] = await once(issuer, 'message');
  const line = createLine({ name: 'partner', failuresToOpen: 1, log: quiet, timeoutMs: 500 });
  const ask = (path: string) =>
    line.call((signal) => fetchJson(`http://127.0.0.1:${port}${path}`, { signal }));
  for (let i = 0; i < 2; i++) {
    const answer = ask('/');
    await sleep(50);
    // After reading, so that the loop's next round begins with the timers.
    await new Promise((resolve) => setImmediate(resolve));
    for (const end = performance.now() + 1000; performance.now() < end; );
    t.same(await answer, { active: true });
    t.equal(line.isFailing(), false);
  }
  t.equal(await ask('/never').catch(codeOf), 'issuer_unavailable');
  t.equal(line.isFailing(), true);
});
