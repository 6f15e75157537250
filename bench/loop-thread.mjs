/**
 * Inside a thread of the reference loop: the product's own work function, back to back, for as long
 * as it is told; answers with the time of every end. Plain JavaScript, because threads have no loader.
 */
/** @param {{ workFile: string, hash: string, password: string, forMs: number }} job */
export default async ({ workFile, hash, password, forMs }) => {
  const { runWork } = await import(workFile);
  const { readHash } = await import(new URL('./formats/formats.js', workFile).href);
  const work = readHash(hash).verify(password);
  const times = [performance.now()];
  for (const until = times[0] + forMs; times.at(-1) < until; ) {
    if (runWork(work) !== true) throw new Error('the hash is wrong');
    times.push(performance.now());
  }
  return times;
};
