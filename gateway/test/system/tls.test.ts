/** TLS on the public port: versions, and a certificate that changes while we serve. */
import { copyFileSync, mkdtempSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect, type SecureVersion } from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startFleet, until } from './fleet.js';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures');

type Seen = { subject: string; protocol: string; status: string };

const ask = (port: number, maxVersion: SecureVersion = 'TLSv1.3'): Promise<Seen> =>
  new Promise((resolve, reject) => {
    const minVersion: SecureVersion = maxVersion === 'TLSv1.1' ? 'TLSv1' : 'TLSv1.2';
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, minVersion, maxVersion };
    const socket = connect({ ...options, ciphers: 'DEFAULT@SECLEVEL=0' }, () =>
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    );
    socket.once('error', reject);
    socket.once('data', (data) => {
      const subject = String(socket.getPeerCertificate().subject.CN);
      const status = data.toString().slice(0, 12);
      resolve({ subject, protocol: socket.getProtocol() ?? '', status });
      socket.destroy();
    });
  });

const scrape = (port: number, token: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const options = {
      port,
      path: '/metrics',
      host: '127.0.0.1',
      rejectUnauthorized: false,
      headers,
    };
    get(options, (response) => text(response).then(resolve, reject)).once('error', reject);
  });

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

t.test('TLS 1.2 and 1.3, nothing older; a new certificate without a restart', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-tls-'));
  const put = (name: string) => {
    copyFileSync(join(fixtures, `${name}.cert.pem`), join(dir, 'cert.pem'));
    copyFileSync(join(fixtures, `${name}.key.pem`), join(dir, 'key.pem'));
  };
  put('one');
  const { port, adminPort, env } = await startFleet(t, {
    nodes: 1,
    edges: 1,
    env: { TLS_CERT_FILE: join(dir, 'cert.pem'), TLS_KEY_FILE: join(dir, 'key.pem') },
  });
  t.match(await ask(port), {
    subject: 'floodgate-test-one',
    protocol: 'TLSv1.3',
    status: 'HTTP/1.1 200',
  });
  t.match(await ask(port, 'TLSv1.2'), { protocol: 'TLSv1.2' });
  await t.rejects(ask(port, 'TLSv1.1'));
  const [, end] =
    /certificate_end_timestamp_seconds\{use="public"\} (\d+)/.exec(
      await scrape(adminPort, String(env.ADMIN_TOKEN)),
    ) ?? [];
  t.ok(Number(end) > Date.now() / 1000, `ends at ${end}`);
  put('two');
  await until('the new certificate', async () => (await ask(port)).subject.endsWith('two'));
});
