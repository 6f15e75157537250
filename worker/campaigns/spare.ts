/**
 * Spare capacity of this node: a campaign's hash runs only in a slot that is free at this moment, never
 * while anything waits, and at most a share of the slots' time goes to it. Each of its lanes rests, after
 * a job, in proportion to the time since its last rest: waiting for a slot, hashing, reading and writing
 * records. So the share shrinks by itself while the node is busy: what is left for the campaign is a
 * share of what is left.
 */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { codeOf } from '../../shared/errors.js';
import type { Admission } from '../passwords/admission.js';
import type { RunSpare } from './wrap-record.js';

export type Spare = ReturnType<typeof createSpare>;
type IsOver = () => boolean;

const minPollMs = 1;
const maxPollMs = 10;
/** Shorter rests are saved up: timers count in milliseconds. */
const minRestMs = 2;
/** Of waiting for a slot, for each job: who waited for minutes on a full node owes no hours. */
const maxCountedMs = 250;
/** How soon a rest hears that there is to be no more work. */
const napMs = 250;
/** Somebody was quicker, or the thread died: nothing was done. */
const undone = ['overloaded', 'thread_lost'];

export class Over extends Error {
  constructor() {
    super('there is to be no more work');
    this.name = 'Over';
  }
}

export const createSpare = (options: {
  admission: Pick<Admission, 'enter' | 'run' | 'hasRoom' | 'load'>;
  now?: () => number;
  sleep?: (ms: number) => Promise<unknown>;
}) => {
  const { admission, sleep = (ms: number) => sleepFor(ms) } = options;
  const now = options.now ?? performance.now.bind(performance);

  /** Resolves when a slot is free; rejects with Over when `isOver`. */
  const room = async (isOver: IsOver): Promise<void> => {
    while (!isOver()) {
      if (admission.hasRoom()) return;
      const quarterMs = admission.load().serviceMs / 4;
      await sleep(Math.min(maxPollMs, Math.max(minPollMs, quarterMs)));
    }
    throw new Over();
  };

  const runWhenFree =
    (isOver: IsOver, started: () => void): RunSpare =>
    async (work, cost) => {
      for (;;) {
        await room(isOver);
        started();
        try {
          const ticket = admission.enter({
            class: 'campaign',
            deadlineAt: Number.POSITIVE_INFINITY,
            isGone: () => false,
          });
          return await admission.run(ticket, work, cost);
        } catch (error) {
          if (!undone.includes(codeOf(error))) throw error;
          await sleep(maxPollMs);
        }
      }
    };

  /** Rejects with Over when `isOver`. */
  const rest = async (ms: number, isOver: IsOver): Promise<void> => {
    const until = now() + ms;
    for (let left = until - now(); left > 0; left = until - now()) {
      if (isOver()) throw new Over();
      await sleep(Math.min(napMs, left));
    }
  };

  /** As many lanes as the share needs, each with a hand of its own that rests between jobs. */
  const lanes = (sharePercent: number, isOver: IsOver): RunSpare[] => {
    const allowed = (admission.load().slots * sharePercent) / 100;
    const count = Math.ceil(allowed);
    const duty = allowed / count;
    return Array.from({ length: count }, (): RunSpare => {
      let owedMs = 0;
      let workingSince = now();
      let askedAt = 0;
      const run = runWhenFree(isOver, () => {
        workingSince += Math.max(0, now() - askedAt - maxCountedMs);
        askedAt = now();
      });
      return async (work, cost) => {
        if (owedMs >= minRestMs) {
          await rest(owedMs, isOver);
          owedMs = 0;
          workingSince = now();
        }
        askedAt = now();
        const result = await run(work, cost);
        const at = now();
        owedMs += (at - workingSince) * (1 / duty - 1);
        workingSince = at;
        return result;
      };
    });
  };

  return { room, lanes };
};
