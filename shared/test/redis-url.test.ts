/** Every form of a Redis URL, every way to get it wrong, and that no message tells a secret. */
import t from 'tap';
import { slotOf } from '../redis-slot.js';
import { parseRedisUrl, splitRedisUrls, withParameters } from '../redis-url.js';

const problemOf = (url: string): string => {
  try {
    parseRedisUrl(url);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : 'thrown';
  }
};

t.test('every form is understood', async (t) => {
  const single = { kind: 'single', waitReplicas: 0 };
  const at = (host: string, port = 6379) => ({ host, port });
  const cases: [string, object][] = [
    ['redis://h', { ...single, at: at('h'), db: 0 }],
    ['redis://h/', { ...single, at: at('h'), db: 0 }],
    ['redis://h:1/2', { ...single, at: at('h', 1), db: 2 }],
    ['redis://[::1]:7', { ...single, at: at('::1', 7), db: 0 }],
    ['redis://:p@h', { ...single, at: at('h'), db: 0, password: 'p' }],
    [
      'redis://u%40x:p%2F%25@h',
      { ...single, at: at('h'), db: 0, username: 'u@x', password: 'p/%' },
    ],
    ['redis://u:p:q@r@h', { ...single, at: at('h'), db: 0, username: 'u', password: 'p:q@r' }],
    ['rediss://h', { ...single, at: at('h'), db: 0, tls: {} }],
    [
      'rediss://h?ca=%2Fa&cert=/c&key=/k',
      { ...single, at: at('h'), db: 0, tls: { ca: '/a', cert: '/c', key: '/k' } },
    ],
    ['redis://h?wait_replicas=2', { ...single, waitReplicas: 2, at: at('h'), db: 0 }],
    ['unix:///r%20s', { ...single, at: { path: '/r s' }, db: 0 }],
    [
      'unix://u:p@localhost/r/s.sock',
      { ...single, at: { path: '/r/s.sock' }, db: 0, username: 'u', password: 'p' },
    ],
    [
      'redis+sentinel://u:p@a,b:1/main/3?sentinel_password=s',
      {
        kind: 'sentinel',
        waitReplicas: 1,
        username: 'u',
        password: 'p',
        hosts: [at('a', 26_379), at('b', 1)],
        master: 'main',
        db: 3,
        sentinelPassword: 's',
      },
    ],
    [
      'rediss+sentinel://a/main?sentinel_username=w&sentinel_password=s&wait_replicas=0',
      {
        kind: 'sentinel',
        waitReplicas: 0,
        tls: {},
        hosts: [at('a', 26_379)],
        master: 'main',
        db: 0,
        sentinelUsername: 'w',
        sentinelPassword: 's',
      },
    ],
    ['redis+cluster://a,b:1', { kind: 'cluster', waitReplicas: 1, hosts: [at('a'), at('b', 1)] }],
    ['rediss+cluster://a/0', { kind: 'cluster', waitReplicas: 1, tls: {}, hosts: [at('a')] }],
  ];
  for (const [url, expected] of cases) t.same(parseRedisUrl(url), expected, url);
});

t.test('what is wrong is said, and no secret with it', async (t) => {
  const cases: [string, RegExp][] = [
    ['', /must start with redis:/],
    ['http://u:SECRET@h', /must start with redis:/],
    ['constructor://SECRET@h', /must start with redis:/],
    ['redis://:SECRET@', /has no host/],
    ['redis://:SECRET@h:0', /a port that is not from 1 to 65535/],
    ['redis://:SECRET@h:65536', /a port that is not from 1 to 65535/],
    ['redis://:SECRET@h:x', /a host that is no name or address/],
    ['redis://:SECRET@h i', /a host that is no name or address/],
    ['redis://:SECRET@a,b', /has several hosts/],
    ['redis://:SECRET@h/x', /a database that is not a whole number/],
    ['redis://:SECRET@h/-1', /a database that is not a whole number/],
    ['redis://:SECRET%@h', /a % that encodes nothing/],
    ['redis://:SECRET#@h', /is malformed: write %40/],
    ['redis://SECRET@h', /a user without a password/],
    ['redis://:SECRET@h?db=1', /has a query other than wait_replicas=/],
    ['redis://:SECRET@h?wait_replicas', /has a query other than/],
    ['redis://:SECRET@h?wait_replicas=1&wait_replicas=1', /once each/],
    ['redis://:SECRET@h?wait_replicas=10', /wait_replicas that are not from 0 to 9/],
    ['redis://:SECRET@h?ca=/SECRET', /certificates, but is not rediss/],
    ['rediss://:SECRET@h?cert=/SECRET', /a certificate without its key/],
    ['redis://h?sentinel_password=SECRET', /a password for Sentinels, but names none/],
    ['unix://:SECRET@other/x', /has a host, but a socket is on localhost/],
    ['unix://:SECRET@localhost', /has no path of a socket/],
    ['redis+sentinel://:SECRET@a', /must end with the name of the master/],
    ['redis+sentinel://:SECRET@a/', /must end with the name of the master/],
    ['redis+sentinel://:SECRET@a/m/1/2', /must end with the name of the master/],
    ['redis+sentinel://:SECRET@a/m/x', /a database that is not a whole number/],
    ['redis+sentinel://:SECRET@a,,b/m', /a host that is no name or address/],
    ['redis+cluster://:SECRET@a/1', /a Cluster has none to choose/],
  ];
  for (const [url, expected] of cases) {
    t.match(problemOf(url), expected, url);
    t.notMatch(problemOf(url), 'SECRET', url);
  }
});

t.test('parameters are added once, lists are split between URLs only', async (t) => {
  t.equal(withParameters('rediss://h', { ca: '/a b', key: undefined }), 'rediss://h?ca=%2Fa%20b');
  t.equal(withParameters('rediss://h?ca=/x', { ca: '/y', cert: 'c' }), 'rediss://h?ca=/x&cert=c');
  t.equal(withParameters('redis://h', {}), 'redis://h');
  const urls = ['redis://a:1', 'redis+sentinel://b:1,c:2/m', 'redis+cluster://d,e'];
  t.same(splitRedisUrls(urls.join(',')), urls);
  t.same(splitRedisUrls(''), []);
});

t.test('slots are those of the Cluster specification', async (t) => {
  t.equal(slotOf('123456789'), 12_739);
  t.equal(slotOf('foo'), 12_182);
  t.equal(slotOf('{user1000}.following'), slotOf('user1000'));
  t.equal(slotOf('foo{}{bar}'), slotOf('foo{}{bar}'));
  t.not(slotOf('foo{}{bar}'), slotOf('bar'));
  t.equal(slotOf('foo{{bar}}zap'), slotOf('{bar'));
  t.equal(slotOf('foo{bar}{zap}'), slotOf('bar'));
});
