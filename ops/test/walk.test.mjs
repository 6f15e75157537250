/**
 * `npm start` with the real programs: the lines of the banner work as they stand, and what they did is
 * still there after `kill -9` of the launcher.
 */
import { execFile } from 'node:child_process';
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

  first.kill('SIGKILL');
  await first.exited;
  const second = site.start();
  await second.ready();
  t.match(second.output(), 'Redis was still running');
  t.equal(await login(site, 'staple battery horse'), 200);
  t.equal(await login(site, 'correct horse battery'), 401);
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
