/**
 * Inside a thread of the reference loop: the product's own work function, back to back, for as long
 * as it is told; answers with the time of every end. Plain JavaScript, because threads have no loader.
 */
/** @param {{ workFile: string, work: unknown, forMs: number }} job */
export default async ({ workFile, work, forMs }) => {
  const { runWork } = await import(workFile);
  const times = [performance.now()];
  for (const until = times[0] + forMs; times.at(-1) < until; ) {
    if (runWork(work) !== true) throw new Error('the hash is wrong');
    times.push(performance.now());
  }
  return times;
};
