/**
 * How long a hash takes in the node's own threads: some of them hash back to back, each with one more
 * handed over ahead, as admission does under load. For `floodgate calibrate`.
 */
import type { AppError } from '../../shared/errors.js';
import type { Done } from './threads.js';
import type { Work } from './work.js';

type Span = { forMs: number; fewest: number };
type Lane = { at: number; tookMs: number[] };
type Timed = { medianMs: number; perSecond: number };

const ahead = 2;

const medianOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

export const createStopwatch = (options: {
  send: (index: number, work: Work, done: Done) => void;
  now?: () => number;
}) => {
  const { send } = options;
  const now = options.now ?? performance.now.bind(performance);

  /**
   * The first `count` threads at once, for `forMs` and until each has done `fewest`; what ends after
   * that is not counted, because then no longer all of them hash. Rejects when a thread dies.
   */
  return (count: number, work: Work, { forMs, fewest }: Span): Promise<Timed> =>
    new Promise((resolve, reject) => {
      const startedAt = now();
      const lanes = Array.from({ length: count }, (): Lane => ({ at: startedAt, tookMs: [] }));
      let inFlight = 0;
      let endedAt = 0;
      const isEnough = (at: number) =>
        at - startedAt >= forMs && lanes.every(({ tookMs }) => tookMs.length >= fewest);
      const finish = () => {
        const all = lanes.flatMap(({ tookMs }) => tookMs);
        const perSecond = (all.length * 1000) / (endedAt - startedAt);
        resolve({ medianMs: medianOf(all), perSecond });
      };
      const start = (index: number) => {
        inFlight++;
        send(index, work, (error) => onDone(index, error));
      };
      const onDone = (index: number, error: AppError | undefined) => {
        inFlight--;
        const lane = lanes[index];
        if (error !== undefined || lane === undefined) return reject(error);
        if (endedAt === 0) {
          const at = now();
          lane.tookMs.push(at - lane.at);
          lane.at = at;
          if (isEnough(at)) endedAt = at;
          else start(index);
        }
        if (inFlight === 0) finish();
      };
      for (let i = 0; i < count * ahead; i++) start(i % count);
    });
};
