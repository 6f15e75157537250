/** Settings of the gateway that are more than a number or a word. */
import t from 'tap';
import { loadConfig } from '../config.js';

const needed = {
  REDIS_URL: 'unix://localhost/x',
  NODE_SECRET: 'n'.repeat(16),
  ADMIN_TOKEN: 'a'.repeat(16),
  KEY_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64url'),
};

t.test('CORS_ORIGINS: origins as browsers spell them, and nothing wider', async (t) => {
  const read = (text: string) => loadConfig({ ...needed, CORS_ORIGINS: text }).corsOrigins;
  t.strictSame(read(''), []);
  const two = ['https://app.example', 'http://localhost:3000'];
  t.strictSame(read(two.join(', ')), two);
  for (const text of [
    ...['*', 'null', 'app.example', 'https://app.example/', 'https://app.example:443'],
    ...['https://APP.example', 'https://*.example', 'https://user@app.example', 'file://'],
    ...['https://app.example/path', 'https://', 'ftp://app.example', 'https://app.example,*'],
  ])
    t.throws(() => read(text), /CORS_ORIGINS must be origins/, text);
});

t.test('LOGIN_FAILURE_FLOOR: enough to hide something, or none', async (t) => {
  const read = (text: string) => loadConfig({ ...needed, LOGIN_FAILURE_FLOOR: text });
  t.equal(read('').failureFloorMs, 300);
  t.equal(read('0ms').failureFloorMs, 0);
  t.equal(read('100ms').failureFloorMs, 100);
  for (const text of ['1ms', '99ms', '2001ms', '-1ms'])
    t.throws(() => read(text), /LOGIN_FAILURE_FLOOR/, text);
});

t.test('DEFAULT_SCOPES: scopes as every record may have them', async (t) => {
  const read = (text: string) => loadConfig({ ...needed, DEFAULT_SCOPES: text }).defaultScopes;
  t.equal(read(''), 'account');
  for (const text of ['account', 'a b:c/d', 'x'.repeat(1024)]) t.equal(read(text), text);
  for (const text of ['a, b"', 'a  b', ' a', 'a\\b', 'a\tb', 'é', 'x'.repeat(1025), 'a ext:p:b'])
    t.throws(() => read(text), /DEFAULT_SCOPES must be scopes .*RFC 6749/, text);
});

t.test('ISSUER: a URL that others can build on', async (t) => {
  const read = (text: string) => loadConfig({ ...needed, PORT: '0', ISSUER: text }).issuer;
  t.equal(read(''), 'http://localhost:0');
  for (const text of [
    ...['https://auth.example', 'https://auth.example/', 'https://auth.example/tenant/1'],
    ...['http://localhost:8080', 'http://10.0.0.5:8080', 'https://[::1]:8443', 'https://A.example'],
  ])
    t.equal(read(text), text);
  for (const text of [
    ...['foo', 'auth.example', '//auth.example', 'ftp://auth.example', 'urn:floodgate', 'https://'],
    ...['https:///x', 'https://a b', ' https://a', 'https://a\n', 'https://a?b', 'https://a?'],
    ...['https://a#b', 'https://a/#', 'https://a:99999', 'https:auth.example'],
  ])
    t.throws(() => read(text), /ISSUER must be an absolute http or https URL/, text);
});

t.test('a duration without an upper limit does not name one', async (t) => {
  for (const name of ['SESSION_IDLE_TTL', 'SESSION_MAX_TTL'])
    t.throws(() => loadConfig({ ...needed, [name]: '59s' }), /_TTL .*\(at least 60000 ms\)/);
  t.throws(() => loadConfig({ ...needed, STOP_DELAY: '31s' }), /\(0 to 30000 ms\)/);
});
