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
