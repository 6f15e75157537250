/** The node's TCP door: who is let in, and how it gets new certificates while it serves. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { type SecureVersion, TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { parseAddress } from '../../shared/address.js';
import { createHttp } from '../../shared/http.js';
import { createLog } from '../../shared/log.js';
import { type Files, makeAuthority } from '../../shared/test/certs.js';
import { openTcp, type TcpSettings } from '../tcp.js';

const log = createLog({ level: 'silent', role: 'test' });
const authority = await makeAuthority(t);
const gateway = await authority.gateway();
const local = { host: '127.0.0.1', port: 0 };

const open = async (
  t: Test,
  settings: Pick<TcpSettings, 'tls'> & Partial<TcpSettings>,
  nodeId = 'n1',
  itsLog = log,
) => {
  let handled = 0;
  const routes = [
    {
      method: 'POST',
      path: '/login',
      body: 'json',
      handle: async () => {
        handled++;
        return { status: 200, body: {} };
      },
    },
  ] as const;
  const door = await openTcp({
    settings: { listen: local, ...settings },
    nodeId,
    serve: (more) => createHttp({ routes, log, ...more }),
    log: itsLog,
  });
  t.teardown(async () => {
    door.close();
    await door.stop(0);
  });
  const { endpoint } = door;
  const tcp = 'tcp' in endpoint ? endpoint.tcp : '';
  return { endpoint, port: parseAddress(tcp)?.port ?? 0, handled: () => handled };
};

type Seen = { status: number; connection: string | undefined; serial: string; reused: boolean };

const callerWith = (
  t: Test,
  port: number,
  files: Files | undefined,
  maxVersion?: SecureVersion,
) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  // Node forgets it after the first answer.
  const serials = new WeakMap<TLSSocket, string>();
  t.teardown(() => agent.destroy());
  return (): Promise<Seen | string> =>
    new Promise((resolve) => {
      const outgoing = request({
        ...{ host: '127.0.0.1', port, path: '/login', method: 'POST', agent },
        headers: { 'content-type': 'application/json' },
        ca: authority.ca.cert,
        ...(files ? { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) } : {}),
        ...(maxVersion ? { maxVersion } : {}),
        checkServerIdentity: () => undefined,
      });
      outgoing.on('error', (error) => resolve('code' in error ? String(error.code) : 'error'));
      outgoing.on('response', (res) => {
        const { socket } = res;
        if (!(socket instanceof TLSSocket)) return resolve('no TLS');
        const serial = serials.get(socket) ?? socket.getPeerCertificate().serialNumber;
        serials.set(socket, serial);
        const { connection } = res.headers;
        const reused = outgoing.reusedSocket;
        res
          .resume()
          .on('end', () => resolve({ status: res.statusCode ?? 0, connection, serial, reused }));
      });
      outgoing.end('{}');
    });
};

t.test('the gateway is let in, and nobody else', async (t) => {
  const { port, endpoint, handled } = await open(t, { tls: await authority.node('n1') });
  t.same(endpoint, { tcp: `127.0.0.1:${port}`, name: 'floodgate://node/n1' });
  t.match(await callerWith(t, port, gateway)(), { status: 200 });
  t.equal(handled(), 1);
  const other = await makeAuthority(t);
  const strangers: Record<string, Files | undefined> = {
    'no certificate': undefined,
    'a node’s certificate': await authority.node('n2'),
    'a node’s certificate that may ask': await authority.node('n3', 'client'),
    'our own': await authority.node('n1'),
    'the gateway of another CA': await other.gateway(),
    'a gateway in name only': await authority.make('g', 'floodgate://gateway/x', 'client'),
  };
  for (const [name, files] of Object.entries(strangers))
    t.type(await callerWith(t, port, files)(), 'string', name);
  t.type(await callerWith(t, port, gateway, 'TLSv1.2')(), 'string', 'TLS 1.2');
  t.equal(handled(), 1, 'nothing of theirs was read');
});

t.test('the log says why a caller was refused', async (t) => {
  const lines: { msg?: string; reason?: string }[] = [];
  const stream = { write: (text: string) => void lines.push(JSON.parse(text)) };
  const heard = createLog({ level: 'warn', role: 'test', stream });
  const tls = await authority.node('n6');
  const { port } = await open(t, { tls }, 'n6', heard);
  const year = 366 * 86_400_000;
  const ended = await authority.make(
    'late',
    'floodgate://gateway',
    'client',
    Date.now() - 2 * year,
  );
  t.type(await callerWith(t, port, ended)(), 'string');
  const refusal = () => lines.find(({ msg }) => msg?.includes('was refused'));
  for (let i = 0; i < 100 && refusal() === undefined; i++)
    await new Promise((done) => setTimeout(done, 20));
  t.match(refusal(), { reason: 'CERT_HAS_EXPIRED' });
});

t.test('new certificates are used at once, and open connections come back for them', async (t) => {
  const files = await authority.node('n1');
  const { port } = await open(t, { tls: files });
  const call = callerWith(t, port, gateway);
  const serialOf = (seen: Seen | string) => (typeof seen === 'string' ? seen : seen.serial);
  const old = serialOf(await call());
  t.match(await call(), { reused: true, serial: old });
  await authority.node('n1');
  let told: Seen | string = '';
  for (let i = 0; i < 100 && !(typeof told === 'object' && told.connection === 'close'); i++) {
    told = await call();
    t.match(told, { status: 200 });
    await new Promise((done) => setTimeout(done, 50));
  }
  t.match(told, { connection: 'close', serial: old });
  const after = await call();
  t.match(after, { status: 200, reused: false });
  t.not(serialOf(after), old);
  t.match(await call(), { reused: true, connection: 'keep-alive' });
});

t.test('a broken or foreign renewal is not taken over', async (t) => {
  const files = await authority.node('n9');
  const { port } = await open(t, { tls: files }, 'n9');
  const first = await callerWith(t, port, gateway)();
  // The file of n9, made out to another.
  await authority.make('node-n9', 'floodgate://node/other', 'server');
  await new Promise((done) => setTimeout(done, 1500));
  const second = await callerWith(t, port, gateway)();
  t.same(typeof second === 'object' && second.serial, typeof first === 'object' && first.serial);
});

t.test(
  'a renewal by the other name that would do is not taken over: edges ask for the first',
  async (t) => {
    const files = await authority.node('n8-0');
    const { port, endpoint } = await open(t, { tls: files }, 'n8-0');
    t.match(endpoint, { name: 'floodgate://node/n8-0' });
    const serial = async () => {
      const seen = await callerWith(t, port, gateway)();
      return typeof seen === 'object' && seen.serial;
    };
    const first = await serial();
    t.type(first, 'string');
    await authority.make('node-n8-0', 'floodgate://node/n8', 'server');
    await new Promise((done) => setTimeout(done, 1500));
    t.equal(await serial(), first);
  },
);

t.test('a certificate that has ended, or not begun, is refused at start', async (t) => {
  const year = 366 * 86_400_000;
  const ended = await authority.node('n4', 'server', Date.now() - 2 * year);
  await t.rejects(open(t, { tls: ended }, 'n4'), /ended on .*--renew/);
  const early = await authority.node('n5', 'server', Date.now() + year);
  await t.rejects(open(t, { tls: early }, 'n5'), /valid from .* clock/);
});

t.test('a certificate that nobody would believe is refused at start', async (t) => {
  const tls = await authority.node('web');
  const other = await makeAuthority(t);
  await t.rejects(open(t, { tls: { ...tls, caFile: other.caFile } }, 'web'), /none of the CAs/);
  await t.rejects(open(t, { tls }, 'n1'), /floodgate:\/\/node\/web.*NODE_ID/);
  await t.rejects(open(t, { tls }, 'web-x'), /NODE_ID/);
  await t.rejects(open(t, { tls: { ...tls, caFile: tls.keyFile } }, 'web'), /do not fit/);
  await t.rejects(open(t, { tls: { ...tls, certFile: '/nowhere' } }, 'web'), /nowhere/);
  for (const id of ['web', 'web-0', 'web-12'])
    t.match((await open(t, { tls }, id)).endpoint, { name: 'floodgate://node/web' }, id);
});

t.test('what it says of itself', async (t) => {
  const tls = await authority.node('n1');
  const advertise = { host: '2001:db8::5', port: 7443 };
  const elsewhere = await open(t, { advertise, tls });
  t.match(elsewhere.endpoint, { tcp: '[2001:db8::5]:7443' });
  await t.rejects(open(t, { listen: { host: '192.0.2.1', port: 0 }, tls }), /NODE_LISTEN/);
});
