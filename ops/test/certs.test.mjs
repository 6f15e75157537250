/** `floodgate certs`: what it makes is X.509 that others read, private, and never overwritten. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { promisify } from 'node:util';
import t from 'tap';
import { runCerts } from '../certs.mjs';
import { takeLock } from '../lock.mjs';
import { makeDir, realRoot } from './project.mjs';

const run = promisify(execFile);
const dayMs = 86_400_000;

const start = (t) => {
  const dir = join(makeDir(t), 'certs');
  const certs = (...args) => runCerts([...args, '--dir', dir], {});
  const text = (name) => readFileSync(join(dir, name), 'utf8');
  const read = (name) => new X509Certificate(text(`${name}.cert.pem`));
  const all = () => Object.fromEntries(readdirSync(dir).map((name) => [name, text(name)]));
  return { dir, certs, read, text, all };
};

const daysOf = (cert) => (Date.parse(cert.validTo) - Date.now()) / dayMs;

t.test('a CA, a gateway and a node, each good for its own purpose only', async (t) => {
  const { certs, read, text } = start(t);
  await certs('init');
  await certs('node', 'web-1', '--host', 'web.example', '--host', '10.0.0.2', '--host', 'fe80::1');
  const [ca, gateway, node] = ['ca', 'gateway', 'node-web-1'].map(read);
  t.ok(ca.ca);
  t.ok(daysOf(ca) > 3640 && daysOf(ca) <= 3650);
  for (const cert of [gateway, node]) {
    t.notOk(cert.ca);
    t.ok(cert.checkIssued(ca));
    t.ok(cert.verify(ca.publicKey));
    t.ok(daysOf(cert) > 360 && daysOf(cert) <= 365);
  }
  t.equal(gateway.subjectAltName, 'URI:floodgate://gateway');
  t.same(gateway.keyUsage, ['1.3.6.1.5.5.7.3.2'], 'asks');
  t.match(node.subjectAltName, /^URI:floodgate:\/\/node\/web-1, DNS:web.example, /);
  t.match(node.subjectAltName, /IP Address:10.0.0.2, IP Address:FE80:0:0:0:0:0:0:1$/);
  t.same(node.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'answers');
  for (const name of ['gateway', 'node-web-1'])
    createSecureContext({ cert: text(`${name}.cert.pem`), key: text(`${name}.key.pem`) });
});

t.test('everything is private, and the lines to set name files that are there', async (t) => {
  const { dir, certs, all } = start(t);
  const said = [await certs('init'), await certs('node', 'n')].join('\n');
  for (const name of Object.keys(all()))
    t.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  t.equal(statSync(dir).mode & 0o777, 0o700);
  const lines = [...said.matchAll(/(NODE_TLS_\w+_FILE)=(\S+)/g)];
  t.equal(lines.length, 6);
  for (const [, name, path] of lines) t.ok(statSync(path).isFile(), name);
});

t.test('nothing is overwritten but with --renew, and the CA never', async (t) => {
  const { certs, all, read } = start(t);
  await certs('init');
  await certs('node', 'n');
  const before = all();
  await t.rejects(certs('init'), /there already/);
  await t.rejects(certs('node', 'n'), /there already/);
  t.same(all(), before);
  await certs('init', '--renew');
  await certs('node', 'n', '--renew');
  const after = all();
  const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
  t.same(changed.sort(), [
    'gateway.cert.pem',
    'gateway.key.pem',
    'node-n.cert.pem',
    'node-n.key.pem',
  ]);
  t.ok(read('node-n').checkIssued(read('ca')));
});

t.test('an init that was killed half way can be done again', async (t) => {
  const { dir, certs, all, read } = start(t);
  await certs('init');
  for (const name of ['ca.cert.pem', 'gateway.cert.pem', 'gateway.key.pem'])
    rmSync(join(dir, name));
  await certs('init');
  t.ok(read('gateway').checkIssued(read('ca')));
  t.ok(read('gateway').verify(read('ca').publicKey));
  t.equal(Object.keys(all()).length, 4);
  rmSync(join(dir, 'gateway.cert.pem'));
  const ca = all()['ca.key.pem'];
  await t.rejects(certs('init'), /--renew/);
  await certs('init', '--renew');
  t.equal(all()['ca.key.pem'], ca, 'a CA that may have certified something stays');
});

t.test('of two that init at once one makes a CA', async (t) => {
  const { certs, read, all } = start(t);
  const made = await Promise.allSettled([certs('init'), certs('init'), certs('init')]);
  t.equal(made.filter(({ status }) => status === 'fulfilled').length, 1);
  t.ok(read('gateway').verify(read('ca').publicKey));
  t.equal(Object.keys(all()).length, 4);
});

t.test('wrong use is explained', async (t) => {
  const { certs } = start(t);
  await t.rejects(certs('node', 'n'), /There is no CA/);
  await t.rejects(certs('show'), /cannot be used/);
  await certs('init');
  await t.rejects(certs('node', '../n'), /NAME must/);
  await t.rejects(certs('node'), /Usage/);
  await t.rejects(certs('node', 'n', '--wrong'), /Unknown option/);
  t.match(await certs('show'), /gateway\.cert\.pem +\d{4}-\d\d-\d\d +36\d days left/);
});

t.test('a second init beside one that is at work is told so', async (t) => {
  const { dir, certs } = start(t);
  mkdirSync(dir, { mode: 0o700 });
  const lock = await takeLock(join(dir, 'ca.lock'));
  const message = `Another certs init works in ${dir} (pid ${process.pid}).`;
  await t.rejects(certs('init'), { message });
  lock.release();
  t.match(await certs('init'), 'On the gateway');
});

t.test('the command itself: text, exit code, no stack', async (t) => {
  const { dir } = start(t);
  const program = join(realRoot, 'ops/floodgate.mjs');
  const first = await run(process.execPath, [program, 'certs', 'init', '--dir', dir]);
  t.match(first.stdout, /NODE_TLS_CA_FILE=/);
  const second = await run(process.execPath, [program, 'certs', 'init', '--dir', dir]).catch(
    (error) => error,
  );
  t.equal(second.code, 1);
  t.match(second.stderr, /there already/);
  t.notMatch(second.stderr, '    at ');
});
