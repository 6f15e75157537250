/**
 * `npm start` with the real programs: the lines of the banner work as they stand, and what they did is
 * still there after `kill -9` of the launcher.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { makeSite, realRoot } from './project.mjs';

const run = promisify(execFile);
t.setTimeout(170_000);

const pasteWalk = async (output) => {
  const lines = output.split('\n').map((line) => line.trim());
  const from = lines.findIndex((line) => line.startsWith('FG='));
  const to = lines.findIndex((line) => line.includes('401: logged out'));
  const { stdout } = await run('sh', ['-c', lines.slice(from, to + 1).join('\n')]);
  return stdout;
};

const login = async (site, password) => {
  const response = await fetch(`http://127.0.0.1:${site.port}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'ada', password }),
  });
  return response.status;
};

t.test('the banner’s lines work, and everything survives kill -9 of the launcher', async (t) => {
  const site = await makeSite(t, { root: realRoot });
  const first = site.start();
  await first.ready();
  const walk = await pasteWalk(first.output());
  t.match(walk, /"username":"ada"/, 'registered');
  t.equal(walk.match(/"access_token"/g)?.length, 3, 'login, refresh and change gave tokens');
  t.same(walk.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 204', 'HTTP/1.1 401']);

  const nodes = await site.floodgate('nodes');
  t.match(nodes, /^node-1 +default +\d+ +up +\d+ +[\d.]+ ms/m);
  t.match(await site.floodgate('drain', 'node-1'), 'holds nothing');
  t.match(await site.floodgate('nodes'), /^node-1 .* drained /m);
  t.equal(await login(site, 'staple battery horse'), 200, 'the other node serves');
  await site.floodgate('undrain', 'node-1');
  await t.rejects(site.floodgate('drain', 'node-9'), { code: 1, stderr: /No such node/ });
  await t.rejects(site.floodgate('drain'), { code: 2, stderr: /Which node/ });

  first.kill('SIGKILL');
  await first.exited;
  await t.rejects(site.floodgate('nodes'), { stderr: /No answer from the admin port/ });
  const second = site.start();
  await second.ready();
  t.match(second.output(), 'Redis was still running');
  t.equal(await login(site, 'staple battery horse'), 200);
  t.equal(await login(site, 'correct horse battery'), 401);

  second.kill('SIGHUP');
  const statuses = [];
  const isOver = () => /gateway: replaces its edges/.test(second.output());
  while (!isOver()) {
    statuses.push(await login(site, 'staple battery horse'));
    await sleep(300); // an account has 60 logins a minute
  }
  t.same([...new Set(statuses)], [200], `${statuses.length} logins during a reload of the nodes`);
  second.kill('SIGINT');
  t.equal(await second.exited, 0);

  const third = site.start();
  await third.ready();
  t.equal(await login(site, 'staple battery horse'), 200, 'also after an orderly stop');
  third.kill('SIGINT');
  t.equal(await third.exited, 0);
  t.same(site.look(), []);
});

t.test('wrong settings of a program are its own words, and nothing is left', async (t) => {
  const site = await makeSite(t, { root: realRoot });
  const launcher = site.start({ ACCESS_TOKEN_TTL: 'soon' });
  t.equal(await launcher.exited, 1);
  t.match(launcher.output(), /ACCESS_TOKEN_TTL must be a duration/);
  t.same(site.look(), []);
});
