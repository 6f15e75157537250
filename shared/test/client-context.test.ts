/** The certificate files of a client, as each new connection finds them. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createClientContext } from '../client-context.js';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../gateway/test/fixtures/${name}.pem`, import.meta.url));

t.test('files that cannot be used are a refusal to start that names them', (t) => {
  const [cert, key, none] = [fixture('one.cert'), fixture('two.key'), join(t.testdir(), 'none')];
  writeFileSync(none, 'no certificate');
  const open = (files: object) => () =>
    createClientContext({ store: 'Redis', files, log: { warn: () => {} } });
  t.throws(open({ ca: '/nowhere' }), {
    message: 'a certificate file for Redis, /nowhere, cannot be read (ENOENT)',
  });
  const unfit = /^the certificate files for Redis \(.+\) do not fit together or are no PEM files$/;
  t.throws(open({ cert, key }), { message: unfit });
  t.throws(open({ ca: none }), { message: unfit });
  t.throws(open({ cert, key }), { message: new RegExp(`\\(${cert}, ${key}\\)`) });
  t.end();
});

t.test('a renewed pair is taken over whole, half of one not at all', (t) => {
  const dir = t.testdir();
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  copyFileSync(fixture('one.cert'), cert);
  copyFileSync(fixture('one.key'), key);
  const said: string[] = [];
  const log = { warn: (_: object, text: string) => void said.push(text) };
  const context = createClientContext({ store: 'Redis', files: { cert, key }, log });
  const first = context();
  copyFileSync(fixture('two.cert'), cert);
  t.equal(context(), first);
  t.equal(context(), first);
  t.same(said, ['certificate files cannot be used, the last ones stay'], 'said once');
  copyFileSync(fixture('two.key'), key);
  const second = context();
  t.not(second, first);
  copyFileSync(fixture('one.key'), key);
  t.equal(context(), second);
  t.equal(said.length, 2, 'and once more when it happens again');
  t.end();
});
