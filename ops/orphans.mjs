/**
 * What a killed launcher left behind: its children notice and drain by themselves, which takes a moment.
 * The next start waits for that, and ends the ones that do not come to an end.
 */
import { killGroup, waitGroupGone } from './processes.mjs';

/** A gateway's `STOP_DELAY` is among it. */
const drainMs = { gateway: 45_000, others: 10_000 };
const killMs = 2000;

/**
 * @param {import('./lock.mjs').Child[]} children
 * @param {(text: string) => void} say
 */
export const endOrphans = async (children, say) => {
  const startedAt = performance.now();
  for (const child of children) {
    if (await waitGroupGone(child, 0)) continue;
    say(`Waiting for ${child.name} of an earlier run (pid ${child.pid}) to end …`);
    const end = startedAt + (child.name === 'gateway' ? drainMs.gateway : drainMs.others);
    if (await waitGroupGone(child, Math.max(0, end - performance.now()))) continue;
    killGroup(child);
    await waitGroupGone(child, killMs);
  }
};
