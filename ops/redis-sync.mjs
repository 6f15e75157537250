/**
 * Brings to the disk, once a second and from outside, what Redis has written: with `appendfsync no` it
 * has handed every write to the kernel before it answers, so that killing it loses nothing, and a power
 * failure loses about a second. Its own `everysec` promises as much for the power failure, but keeps
 * answered writes in its memory while an fsync is running, and loses them when it is killed; `always`
 * costs an fsync per answer.
 */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const everyMs = 1000;
const noFolderYet = 'ENOENT';

/** Redis syncs a base file itself, before it names it in its manifest. @param {string} folder */
const syncFolder = async (folder) => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.incr.aof'));
  for (const name of names) {
    const file = await open(join(folder, name), 'r');
    await file.datasync().finally(() => file.close());
  }
};

/**
 * Starts syncing the append-only files of a server; returns the function that ends it.
 * @param {string} dataDir the server's `dir`
 * @param {(problem: string) => void} say called when a problem begins, and when another one does
 */
export const keepSynced = (dataDir, say) => {
  let told = '';
  let isBusy = false;
  const tick = async () => {
    if (isBusy) return;
    isBusy = true;
    const problem = await syncFolder(join(dataDir, 'appendonlydir')).then(
      () => '',
      // A rewrite removes files between the list and the opening.
      (error) => (error.code === noFolderYet ? '' : error.message),
    );
    isBusy = false;
    if (problem !== '' && problem !== told)
      say(`Redis data cannot be synced to disk, a power failure would lose it: ${problem}`);
    told = problem;
  };
  const timer = setInterval(tick, everyMs).unref();
  return () => clearInterval(timer);
};
