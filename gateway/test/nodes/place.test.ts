import t from 'tap';
import { formatAddress, isLoopback, parseAddress } from '../../../shared/address.js';
import { isNameOf, namesIn } from '../../../shared/identity.js';
import { type Endpoint, openEntry, signEntry } from '../../../shared/protocol.js';
import { findPlace } from '../../nodes/place.js';

const entryOf = (...endpoints: Endpoint[]) => ({
  ...{ id: 'web-1', boot_id: 'b', endpoints, slots: 1, version: '', zone: '', draining: false },
});
const tls = { runtimeDir: '/run/fg', dirId: 'here', hasTls: true };
const plain = { ...tls, hasTls: false };
const name = 'floodgate://node/web';
const unix = { unix: '/other/n.sock', dir_id: 'here' };

t.test('the socket of the own directory first, else TCP with a name', async (t) => {
  const tcp = { tcp: 'host:7443', name };
  const place = { kind: 'tls', host: 'host', port: 7443, name };
  t.same(findPlace(entryOf(tcp, unix), tls), { kind: 'unix', path: '/run/fg/n.sock' });
  t.same(findPlace(entryOf(unix, tcp), { ...tls, dirId: 'another' }), place);
  t.same(findPlace(entryOf(unix, tcp), { ...tls, dirId: undefined }), place);
  t.same(findPlace(entryOf(tcp), tls), place);
});

t.test('TCP with certificates only, and at a port that there can be', async (t) => {
  t.equal(findPlace(entryOf({ tcp: '127.0.0.1:1', name }), plain), undefined, 'no certificates');
  for (const tcp of ['host:0', 'host', ''])
    t.equal(findPlace(entryOf({ tcp, name }), tls), undefined, tcp);
});

t.test('a node cannot claim the name of another', async (t) => {
  for (const claimed of ['floodgate://node/db', 'floodgate://gateway', 'web', '', `${name}-12`])
    t.equal(findPlace(entryOf({ tcp: 'h:1', name: claimed }), tls), undefined, claimed);
  const cases: [string, boolean][] = [
    ['web', true],
    ['web-0', true],
    ['web-123', true],
    ['web-', false],
    ['web-1-2', false],
    ['web-x', false],
    ['webs', false],
    ['x-web', false],
  ];
  for (const [id, isOwn] of cases) t.equal(isNameOf(name, id), isOwn, id);
  t.equal(
    isNameOf('floodgate://node/a%2Fb%2C', 'a/b,'),
    true,
    'written so that it needs no quotes',
  );
  t.equal(isNameOf('floodgate://node/\ud800', '\ud800'), false);
});

t.test('names are read from certificates, never out of other names', async (t) => {
  t.same(namesIn('URI:floodgate://node/a, DNS:x, URI:floodgate://gateway'), [
    'floodgate://node/a',
    'floodgate://gateway',
  ]);
  // How Node writes an entry that has a comma in it.
  t.same(namesIn('DNS:"x, URI:floodgate://gateway"'), ['floodgate://gateway"']);
  t.same(namesIn('URI:"floodgate://gateway, x"'), []);
  t.same(namesIn('URI:https://floodgate://gateway, DNS:floodgate://gateway'), []);
  t.same(namesIn(undefined), []);
});

t.test('entries say unix or TCP, not both, and are signed as a whole', async (t) => {
  const good = entryOf(unix, { tcp: 'h:1', name });
  t.same(openEntry(['s'], signEntry('s', good)), good);
  for (const endpoint of [
    {},
    { tcp: 1 },
    { tcp: 'h:1', name: 1 },
    { tcp: 'h:1' },
    { unix: '/x' },
    { ...unix, tcp: 'h:1' },
  ]) {
    const endpoints: unknown[] = [endpoint];
    const entry = JSON.parse(JSON.stringify({ ...good, endpoints }));
    t.equal(openEntry(['s'], signEntry('s', entry)), undefined, JSON.stringify(endpoint));
  }
  const moved = signEntry('s', good).replace('h:1', 'x:1');
  t.equal(openEntry(['s'], moved), undefined);
});

t.test('addresses', async (t) => {
  const cases: [string, string, number][] = [
    ['host:1', 'host', 1],
    ['a.b-c.example:65535', 'a.b-c.example', 65_535],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['[::1]:7443', '::1', 7443],
    ['[fe80::1:2]:80', 'fe80::1:2', 80],
  ];
  for (const [text, host, port] of cases) {
    t.same(parseAddress(text), { host, port }, text);
    t.equal(formatAddress({ host, port }), text);
  }
  for (const text of [
    '',
    'host',
    'host:',
    ':1',
    'host:01',
    'host:65536',
    '::1:1',
    '[::1]',
    '[h]:1',
    'h h:1',
    'h:1\n',
    '-h:1',
    'h/x:1',
    'h@x:1',
  ])
    t.equal(parseAddress(text), undefined, JSON.stringify(text));
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) t.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '128.0.0.1', '127.example', 'localhost.example'])
    t.notOk(isLoopback(host), host);
});
