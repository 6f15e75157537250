import type { IncomingMessage } from 'node:http';
import t from 'tap';
import { isNetwork } from '../../shared/address.js';
import { createLog } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { createAddresses } from '../address.js';

const lines: string[] = [];
const log = createLog({
  level: 'info',
  role: 'test',
  stream: { write: (s) => void lines.push(s) },
});

const from = (remoteAddress: string, headers: Record<string, string> = {}): IncomingMessage =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

const create = (...trustedProxies: string[]) =>
  createAddresses({ trustedProxies, log, metrics: createMetrics({ defaults: false }) });

t.test('keys: v4 /32 and /24, v6 /64 and /48, mapped v4 is v4', async (t) => {
  const { of: clientOf } = create();
  const cases: [string, string, string, string][] = [
    ['203.0.113.7', '203.0.113.7', 'cb007107', 'cb0071'],
    ['::ffff:203.0.113.7', '203.0.113.7', 'cb007107', 'cb0071'],
    ['2001:db8:1:2:3::4', '2001:db8:1:2:3::4', '20010db800010002', '20010db80001'],
  ];
  for (const [peer, address, client, network] of cases)
    t.same(clientOf(from(peer)), { address, client, network }, peer);
  t.same(clientOf(from('')), { address: '', client: undefined, network: undefined });
});

t.test('X-Forwarded-For is believed from trusted proxies only, from the right', async (t) => {
  const { of: clientOf } = create('10.0.0.0/8', '2001:db8::1');
  const of = (peer: string, xff: string) =>
    clientOf(from(peer, { 'x-forwarded-for': xff })).address;
  t.equal(of('10.1.1.1', '198.51.100.1'), '198.51.100.1');
  t.equal(of('10.1.1.1', 'lie, 198.51.100.1, 10.2.2.2'), '198.51.100.1', 'our proxies skipped');
  t.equal(of('10.1.1.1', '198.51.100.1, nonsense'), '10.1.1.1', 'unreadable: the peer');
  t.equal(of('2001:db8::1', '198.51.100.1'), '198.51.100.1');
  t.equal(of('203.0.113.7', '198.51.100.1'), '203.0.113.7', 'a stranger lies');
  t.equal(of('192.168.1.1', '198.51.100.1'), '192.168.1.1', 'private, but not ours');
  t.equal(of('10.1.1.1', '10.3.3.3, 10.2.2.2'), '10.3.3.3', 'from inside: not the proxy itself');
  t.equal(of('10.1.1.1', 'nonsense, 10.2.2.2'), '10.1.1.1');
  t.equal(of('10.1.1.1', ''), '10.1.1.1');
});

t.test('X-Forwarded-For with ports, as some proxies write it', async (t) => {
  const { of: clientOf } = create('10.0.0.0/8', '2001:db8::1');
  const of = (xff: string) => clientOf(from('10.1.1.1', { 'x-forwarded-for': xff })).address;
  t.equal(of('198.51.100.1:4711'), '198.51.100.1');
  t.equal(of('198.51.100.1:4711, 10.2.2.2:80, [2001:db8::1]:443'), '198.51.100.1');
  t.equal(of('[2001:db8:1::7]:4711'), '2001:db8:1::7');
  t.equal(of('[2001:db8:1::7]'), '2001:db8:1::7');
  t.equal(of('2001:db8:1::7'), '2001:db8:1::7', 'the last group is no port');
  for (const bad of [
    ...[
      '198.51.100.1:',
      '198.51.100.1:x',
      '198.51.100.1:123456',
      '[198.51.100.1]:1',
      '198.51.1:80',
    ],
    ...[
      '[2001:db8:1::7]:',
      '[2001:db8:1::7',
      '[]:1',
      ':80',
      '[2001:db8:1::7]x',
      '[fe80::1%eth0]:1',
    ],
  ])
    t.equal(of(bad), '10.1.1.1', bad);
});

t.test(
  'an unconfigured private proxy turns address limits off, loudly, once a minute',
  async (t) => {
    lines.length = 0;
    const { of: clientOf } = create();
    for (let i = 0; i < 3; i++)
      t.match(clientOf(from('127.0.0.1', { 'x-forwarded-for': '198.51.100.1' })), {
        client: undefined,
        network: undefined,
      });
    t.equal(lines.filter((line) => line.includes('TRUSTED_PROXIES')).length, 1);
    t.equal(clientOf(from('8.8.8.8', { 'x-forwarded-for': '1.1.1.1' })).client, '08080808');
  },
);

t.test('a request has one caller, however often it is asked for, and counts once', async (t) => {
  const metrics = createMetrics({ defaults: false });
  const { of: clientOf } = createAddresses({ trustedProxies: [], log, metrics });
  const first = from('127.0.0.1', { 'x-forwarded-for': '198.51.100.1' });
  t.equal(clientOf(first), clientOf(first));
  clientOf(from('127.0.0.1', { 'x-forwarded-for': '198.51.100.2' }));
  t.match(await metrics.text(), /^floodgate_address_limits_off_total 2$/m);
});

t.test('request ids come from trusted proxies only, and only harmless ones', async (t) => {
  const { requestIdOf } = create('10.0.0.0/8');
  t.equal(requestIdOf(from('10.0.0.1', { 'x-request-id': 'abc-1' })), 'abc-1');
  t.equal(requestIdOf(from('10.0.0.1', { 'x-request-id': '"},{"' })), undefined);
  t.equal(requestIdOf(from('10.0.0.1', { 'x-request-id': 'x'.repeat(65) })), undefined);
  t.equal(requestIdOf(from('::ffff:10.9.9.9', { 'x-request-id': 'abc-2' })), 'abc-2');
  t.equal(requestIdOf(from('11.0.0.1', { 'x-request-id': 'abc-1' })), undefined);
});

t.test('ranges: whatever the settings take for a network is one', async (t) => {
  const networks = [
    '10.0.0.0/8',
    '10.1.2.3',
    '10.0.0.0/32',
    '0.0.0.0/0',
    '::1',
    'fd00::/8',
    '::/128',
  ];
  for (const good of networks) {
    t.ok(isNetwork(good), good);
    t.doesNotThrow(() => create(good), good);
  }
  const others = ['', '/', '10.0.0.0/33', '::/129', 'localhost', '10.0.0', '010.0.0.1', '1/2/3'];
  for (const bad of [...others, '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8.5', '10.0.0.0/ 8', '[::1]'])
    t.notOk(isNetwork(bad), bad);
});

t.test(
  'connections are counted by client, not by address; our proxies are not counted',
  async (t) => {
    const { connectionKey } = create('10.0.0.0/8');
    const keyOf = (remoteAddress: string) => connectionKey({ remoteAddress });
    t.equal(keyOf('2001:db8:1:2::1'), keyOf('2001:db8:1:2:ffff::9'), 'one /64');
    t.not(keyOf('2001:db8:1:2::1'), keyOf('2001:db8:1:3::1'));
    t.equal(keyOf('10.1.1.1'), undefined);
    t.equal(keyOf(''), undefined);
  },
);
