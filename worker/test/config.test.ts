import { availableParallelism } from 'node:os';
import t from 'tap';
import { ConfigError } from '../../shared/env.js';
import { loadConfig, maskConfig } from '../config.js';

const given = {
  REDIS_URL: 'unix://localhost/r.sock',
  NODE_SECRET: 'sixteen-letters-now,sixteen-letters-before',
};

const problemsOf = (env: Record<string, string>): string => {
  try {
    loadConfig({ ...given, ...env }, 1);
    return '';
  } catch (error) {
    return error instanceof ConfigError ? error.message : 'thrown';
  }
};

t.test('defaults are those of the design', async (t) => {
  const config = loadConfig(given, 42);
  t.match(config, {
    zone: 'default',
    target: { memoryKiB: 19_456, passes: 2, lanes: 1 },
    lockRedisUrls: [given.REDIS_URL],
    nodeSecrets: ['sixteen-letters-now', 'sixteen-letters-before'],
    acceptDataLoss: false,
    logLevel: 'info',
  });
  t.match(config.nodeId, /-42$/);
  t.match(loadConfig({ ...given, NODE_APP_INSTANCE: '3' }, 42).nodeId, /-3$/);
  t.ok(config.threads >= 1 && config.threads <= availableParallelism());
  t.ok(Object.isFrozen(config));
});

t.test('the user store: Redis, a table of ours, or one of somebody else', async (t) => {
  t.match(loadConfig(given, 1).credentials, { url: undefined, table: undefined });
  const url = 'postgres://u:secret@db/shop';
  const own = loadConfig({ ...given, CREDENTIALS_URL: url }, 1);
  t.match(own.credentials, { url, connections: 4, table: undefined });
  t.notMatch(JSON.stringify(maskConfig(own)), /secret@/);
  const table = {
    ...{ CREDENTIALS_URL: url, CREDENTIALS_SCHEMA: 'table', CREDENTIALS_TABLE: 'app.users' },
    ...{ CREDENTIALS_LOGIN_COLUMN: 'email', CREDENTIALS_HASH_COLUMN: 'pass' },
  };
  const status = { CREDENTIALS_STATUS_COLUMN: 'state', CREDENTIALS_STATUS_ACTIVE: 'on,trial' };
  t.match(loadConfig({ ...given, ...table, ...status }, 1).credentials.table, {
    ...{ table: 'app.users', id: 'id', login: 'email', hash: 'pass', version: undefined },
    ...{ status: { column: 'state', active: ['on', 'trial'] }, isLower: false },
  });
  const wrong = { CREDENTIALS_TABLE: 'users"; --', CREDENTIALS_STATUS_COLUMN: 'state' };
  const problems = problemsOf({ ...table, ...wrong, CREDENTIALS_HASH_COLUMN: '' });
  t.match(problems, /CREDENTIALS_TABLE is not a name/);
  t.match(problems, /CREDENTIALS_HASH_COLUMN is missing/);
  t.match(problems, /CREDENTIALS_STATUS_ACTIVE go together/);
  t.match(problemsOf({ CREDENTIALS_SCHEMA: 'table' }), /needs CREDENTIALS_URL/);
  const mysql = problemsOf({ CREDENTIALS_URL: 'mysql://u:secret@db/shop' });
  t.match(mysql, /CREDENTIALS_URL: the PostgreSQL URL must be/);
  t.notMatch(mysql, /secret/);
});

t.test('a declared format that cannot work is told with all the rest', async (t) => {
  const table = {
    ...{ CREDENTIALS_URL: 'postgres://u@db/shop', CREDENTIALS_SCHEMA: 'table' },
    ...{ CREDENTIALS_TABLE: 'users', CREDENTIALS_LOGIN_COLUMN: 'email' },
    CREDENTIALS_HASH_COLUMN: 'pass',
  };
  const problemWith = (format: string, more = {}) =>
    problemsOf({ ...table, CREDENTIALS_FORMAT: format, ...more });
  const both = problemWith('salted-digest,alg=sha1', { DEFAULT_SCOPES: 'a  b' });
  t.match(both, /CREDENTIALS_FORMAT: salted-digest lacks an option/);
  t.match(both, /DEFAULT_SCOPES must be scopes/);
  t.match(problemWith('devise,key=pp'), /CREDENTIALS_FORMAT: key must be the id of a key in/);
  t.match(problemWith('kratos-hmac'), /CREDENTIALS_FORMAT: .* must be in PASSWORD_KEYS/);
  t.match(problemWith('digest,md5'), /CREDENTIALS_FORMAT must be format,option=value/);
  const ring = { PASSWORD_KEYS: 'pp:AAAA' };
  for (const format of ['devise,key=pp', 'kratos-hmac', 'digest,alg=md5'])
    t.equal(problemWith(format, ring), '', format);
  t.equal(problemsOf({ CREDENTIALS_FORMAT: 'nothing' }), '', 'without a table it is not read');
});

t.test('lock servers of their own are read from a list', async (t) => {
  const urls = 'redis://a:1,redis://b:1,redis://c:1';
  t.same(loadConfig({ ...given, LOCK_REDIS_URLS: urls }, 1).lockRedisUrls, urls.split(','));
});

t.test(
  'a lock without a majority of independent servers is refused, with the reason',
  async (t) => {
    const problemWith = (urls: string) => problemsOf({ LOCK_REDIS_URLS: urls });
    const some = (count: number) => Array.from({ length: count }, (_, i) => `redis://h${i}`).join();
    for (const count of [1, 3, 5]) t.equal(problemWith(some(count)), '');
    for (const count of [2, 4, 6])
      t.match(problemWith(some(count)), `must name 1, 3 or 5 servers, not ${count}`);
    t.match(problemWith('redis://a,redis://b,redis://a'), 'LOCK_REDIS_URLS names a server twice');
  },
);

t.test('what goes with Redis is put into every URL that it fits', async (t) => {
  const files = { REDIS_CA_FILE: '/ca', REDIS_CERT_FILE: '/c', REDIS_KEY_FILE: '/k' };
  const config = loadConfig(
    {
      ...given,
      ...files,
      REDIS_URL: 'rediss+sentinel://u:p@a,b/main',
      LOCK_REDIS_URLS: 'redis://a,rediss://b,redis+cluster://c,d:1',
      REDIS_SENTINEL_PASSWORD: 's/1',
      REDIS_WAIT_REPLICAS: '2',
    },
    1,
  );
  const tls = 'ca=%2Fca&cert=%2Fc&key=%2Fk';
  t.equal(
    config.redisUrl,
    `rediss+sentinel://u:p@a,b/main?wait_replicas=2&${tls}&sentinel_password=s%2F1`,
  );
  t.same(config.lockRedisUrls, ['redis://a', `rediss://b?${tls}`, 'redis+cluster://c,d:1']);
  for (const [env, problem] of [
    [{ REDIS_URL: 'http://SECRET' }, /REDIS_URL: the Redis URL must start with redis:/],
    [{ LOCK_REDIS_URLS: 'redis://a,redis://SECRET@b' }, /LOCK_REDIS_URLS: .*a user without/],
    [{ REDIS_CA_FILE: '/ca' }, /REDIS_CA_FILE .*need a REDIS_URL with TLS/],
    [{ REDIS_CERT_FILE: '/c' }, /REDIS_CERT_FILE, REDIS_KEY_FILE go together/],
    [{ REDIS_WAIT_REPLICAS: '10' }, /REDIS_WAIT_REPLICAS must be a whole number from 0 to 9/],
  ] as const) {
    t.match(problemsOf(env), problem);
    t.notMatch(problemsOf(env), 'SECRET');
  }
});

t.test('what is wrong is told by name, all at once', async (t) => {
  const text = problemsOf({
    NODE_SECRET: '',
    REDIS_URL: '',
    ARGON2_PASSES: '1',
    HASH_THREADS: '0',
    NODE_ID: 'a b',
    LOG_LEVEL: 'loud',
  });
  for (const name of [
    'NODE_SECRET',
    'REDIS_URL',
    'ARGON2_PASSES',
    'HASH_THREADS',
    'NODE_ID',
    'LOG_LEVEL',
  ])
    t.match(text, name);
  t.equal(problemsOf({ ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '3' }), '');
  t.match(problemsOf({ ARGON2_MEMORY_KIB: '300000' }), 'ARGON2_MEMORY_KIB');
});

t.test('threads that do not fit into the memory are refused with that reason', async (t) => {
  const large = { ARGON2_MEMORY_KIB: '262144', HASH_THREADS: '256' };
  t.match(
    problemsOf(large),
    /HASH_THREADS must be .* 1 to \d+: each hash takes 256 MiB \(ARGON2_MEMORY_KIB\), .* memory\./,
  );
  t.equal(problemsOf({ ARGON2_MEMORY_KIB: '262144' }), '', 'the default fits');
});

t.test('scopes of users in an operator’s table are scopes', async (t) => {
  const table = {
    ...{ CREDENTIALS_URL: 'postgres://u@db/shop', CREDENTIALS_SCHEMA: 'table' },
    ...{ CREDENTIALS_TABLE: 'users', CREDENTIALS_LOGIN_COLUMN: 'email' },
    CREDENTIALS_HASH_COLUMN: 'pass',
  };
  t.equal(problemsOf({ ...table, DEFAULT_SCOPES: 'a b' }), '');
  t.match(problemsOf({ ...table, DEFAULT_SCOPES: 'a  b' }), /DEFAULT_SCOPES must be scopes/);
});

t.test('a TCP endpoint off this machine needs all three certificate files', async (t) => {
  const tls = { NODE_TLS_CERT_FILE: '/c', NODE_TLS_KEY_FILE: '/k', NODE_TLS_CA_FILE: '/a' };
  const open = /NODE_LISTEN needs TLS.*floodgate certs/;
  const free = /NODE_ADVERTISE names a port, and NODE_LISTEN takes any/;
  const cases: [Record<string, string>, RegExp | ''][] = [
    [{ NODE_LISTEN: '127.0.0.1:0', ...tls }, ''],
    [{ NODE_LISTEN: '127.0.0.1:0' }, open],
    [{ NODE_LISTEN: '[::1]:7443' }, open],
    [{ NODE_LISTEN: '0.0.0.0:7443', ...tls }, ''],
    [{ NODE_LISTEN: '127.0.0.1:7443', NODE_ADVERTISE: 'node.example:7443', ...tls }, ''],
    [{ NODE_LISTEN: '0.0.0.0:7443' }, open],
    [{ NODE_LISTEN: '[::]:7443' }, open],
    [{ NODE_LISTEN: '127.0.0.1.example:7443' }, open],
    [{ NODE_LISTEN: '127.0.0.1:7443', NODE_ADVERTISE: 'node.example:7443' }, open],
    [{ NODE_LISTEN: '0.0.0.0:7443', NODE_TLS_CERT_FILE: '/c' }, /go together/],
    [{ NODE_ADVERTISE: 'node.example:7443' }, /NODE_ADVERTISE needs NODE_LISTEN/],
    [
      { NODE_LISTEN: '127.0.0.1:0', NODE_ADVERTISE: '127.0.0.1:0', ...tls },
      /NODE_ADVERTISE must be/,
    ],
    [{ NODE_LISTEN: '0.0.0.0:0', NODE_ADVERTISE: 'node.example:7443', ...tls }, free],
  ];
  for (const text of ['7443', ':7443', '::1:7443', 'host:70000', 'host:', 'a b:1', '[x]:1'])
    cases.push([{ NODE_LISTEN: text }, /NODE_LISTEN must be host:port/]);
  for (const [env, problem] of cases) {
    const found = problemsOf(env);
    if (problem === '') t.equal(found, '', JSON.stringify(env));
    else t.match(found, problem, JSON.stringify(env));
  }
});

t.test('secrets are masked', async (t) => {
  const text = JSON.stringify(maskConfig(loadConfig(given, 1)));
  t.notMatch(text, 'before');
  t.notMatch(text, 'r.sock');
});

t.test('the key ring is a secret, and the pepper one of its keys', async (t) => {
  const key = Buffer.alloc(16, 7).toString('base64');
  const ring = { PASSWORD_KEYS: `p1:${key},fb:AA==` };
  const config = loadConfig({ ...given, ...ring, PASSWORD_PEPPER: 'p1' }, 1);
  t.same(Object.keys(config.passwordKeys), ['p1', 'fb']);
  t.equal(config.passwordPepper, 'p1');
  t.notMatch(JSON.stringify(maskConfig(config)), key);
  t.match(problemsOf({ PASSWORD_KEYS: 'p1' }), /PASSWORD_KEYS: an id is/);
  for (const pepper of ['p2', 'fb', 'toString'])
    t.match(problemsOf({ ...ring, PASSWORD_PEPPER: pepper }), /PASSWORD_PEPPER must be/, pepper);
});
