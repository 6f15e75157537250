/** Certificate files that change under a process: real files, looked at every few milliseconds. */
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { watchCertificate } from '../certificate.js';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../gateway/test/fixtures/${name}.pem`, import.meta.url));

const put = (dir: string, name: 'one' | 'two') => {
  for (const part of ['cert', 'key'])
    copyFileSync(fixture(`${name}.${part}`), join(dir, `${part}.pem`));
};

/** `use` throws while `isRefused` says so. */
const watch = (t: Test, isRefused = () => false) => {
  const dir = join(t.testdir(), 'tls');
  mkdirSync(dir);
  put(dir, 'one');
  const events: string[] = [];
  const stop = watchCertificate({
    files: { certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') },
    use: () => {
      if (isRefused()) throw new Error('not now');
      events.push('used');
    },
    log: { info: () => {}, error: () => events.push('error') },
    intervalMs: 5,
  });
  t.teardown(stop);
  const until = async (count: number) => {
    while (events.length < count) await sleep(5);
  };
  return { dir, events, until };
};

t.test('a folder that is in the way for a moment ends nothing', async (t) => {
  const { dir, events, until } = watch(t);
  renameSync(dir, `${dir}-aside`);
  writeFileSync(dir, 'a file where the folder was');
  await until(1);
  t.same(events, ['error'], 'said once');
  rmSync(dir);
  renameSync(`${dir}-aside`, dir);
  await sleep(50);
  put(dir, 'two');
  while (events.at(-1) !== 'used') await sleep(5);
});

t.test('what could not be used is tried again, though the files stay as they are', async (t) => {
  let isRefused = true;
  const { dir, events, until } = watch(t, () => isRefused);
  put(dir, 'two');
  await until(1);
  await sleep(50);
  isRefused = false;
  while (events.at(-1) !== 'used') await sleep(5);
  t.same(events.filter((event) => event === 'used').length, 1);
});
