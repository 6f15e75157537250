/**
 * Open-loop load as benches ask for it; the clients live in a process of their own (generator.ts).
 *
 *   const load = await createLoad({ target, groups: { all: forwardedLogins(users) } });
 *   const run = await load.run({ phases: [{ perSecond: 50, durationMs: 10_000 }] });
 *   summarise(run.samples, { fromMs: 2000, toMs: 10_000 });      // samples.ts
 */
import { lowerHelpers } from '../cpu.js';
import { startPeer } from '../peer.js';
import type { Target } from '../wire.js';
import type { GeneratorCalls, Plan, Run } from './generator.js';

export type Load = Awaited<ReturnType<typeof createLoad>>;

/** What a closed loop needs to come up to speed, and is not counted. */
export const settleMs = 500;
/** Asking again at once would turn a busy moment into a flood of refusals. */
const pauseMs = 25;

/** `groups`: requests by kind of client, ready to be sent. */
export const createLoad = async (given: { target: Target; groups: Record<string, string[]> }) => {
  const peer = startPeer<GeneratorCalls>('open/generator.ts');
  const groups = Object.entries(given.groups).map(([name, requests]) => ({ name, requests }));
  try {
    await peer.ask('aim', { target: given.target, groups });
    lowerHelpers(peer.pid);
  } catch (error) {
    await peer.stop();
    throw error;
  }
  const saturate = async (clients: number, durationMs: number): Promise<number> => {
    const forMs = durationMs + settleMs;
    const { samples } = await peer.ask('saturate', { clients, durationMs: forMs, pauseMs });
    const counted = samples.filter(({ at, ms, status }) => {
      const end = at + ms;
      return status === 200 && end > settleMs && end <= forMs;
    });
    return (counted.length * 1000) / durationMs;
  };
  return {
    pid: peer.pid,
    /** Resolves when every client has its answer or has given up. */
    run: (plan: Plan): Promise<Run> => {
      const running = peer.ask('run', plan);
      // Whoever started it may fail first, and stops us.
      running.catch(() => {});
      return running;
    },
    /**
     * What comes through per second when `clients` ask again as soon as they are answered. Never 0: a
     * short loop on a busy machine may end before its first answer, and is then run for longer.
     */
    capacity: async (clients: number, durationMs: number): Promise<number> => {
      for (const factor of [1, 4, 16]) {
        const rate = await saturate(clients, factor * durationMs);
        if (rate > 0) return rate;
      }
      throw new Error('no request succeeds');
    },
    /** `clients` that ask again at once, also when they are refused. */
    flood: (clients: number, durationMs: number): Promise<Run> =>
      peer.ask('saturate', { clients, durationMs, pauseMs: 0 }),
    /** No more arrivals: the run in progress comes to its end. */
    endRun: (): Promise<void> => peer.ask('stop', undefined),
    /** Tries sent by the run in progress. */
    sent: (): Promise<number> => peer.ask('sent', undefined),
    stop: peer.stop,
  };
};
