/**
 * A node's part in a campaign: asks the desk for something to do, again and again, and does it on spare
 * capacity. A step of the walk reads some records and counts them; a page is wrapped record by record
 * and reported every second. Nothing here has to end well: what is not reported is somebody's next
 * page.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../shared/errors.js';
import type { Credentials } from '../credentials/credentials.js';
import type { KeyRing } from '../passwords/keys.js';
import { takeCensus } from './census.js';
import type { Counts, Desk, Page, Row, Taken, Walk } from './desk.js';
import { Over, type Spare } from './spare.js';
import type { Outcome, RunSpare, WrapRecord } from './wrap-record.js';

export type Campaigns = ReturnType<typeof createCampaigns>;
type Logs = { warn(fields: object, text: string): void; error(fields: object, text: string): void };

const reportMs = 1000;
/** While there is no campaign, this is all that it costs: one small script a second. */
const pausesMs = { idle: 1000, wait: 100, failed: 1000, key: 5000 };
/** Records of one step: read in one go, so they must not hold the node up */
const steps = { counting: 250, wrapping: 100 };
/** Not the record's fault: it stays due. */
const passing = ['store_unavailable', 'key_missing', 'overloaded', 'thread_lost'];

/** The rows of a page that are not settled yet, and what became of the others since the last report. */
const createTally = (rows: readonly Row[]) => {
  const left = new Set(rows);
  let counts: Record<string, number> = {};
  return {
    note: (row: Row, outcome: Outcome) => {
      left.delete(row);
      for (const name of [outcome, `${outcome}:${row.format}`])
        counts[name] = (counts[name] ?? 0) + 1;
    },
    left: () => [...left],
    take: (): Counts => {
      const taken = counts;
      counts = {};
      return taken;
    },
  };
};

export const createCampaigns = (options: {
  desk: Desk;
  credentials: Pick<Credentials, 'scan'>;
  keys: Pick<KeyRing, 'ids' | 'need'>;
  spare: Spare;
  wrapRecord: WrapRecord;
  count: (outcome: Outcome) => void;
  log: Logs;
  /** A node that is being drained takes no part. */
  isOff?: () => boolean;
}) => {
  const { desk, credentials, keys, spare, wrapRecord, count, log, isOff = () => false } = options;
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const isOut = () => isStopping() || isOff();

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => {});

  const settle = async (page: Page, row: Row, run: RunSpare): Promise<Outcome> => {
    try {
      return await wrapRecord(page, row, run);
    } catch (err) {
      if (err instanceof Over || passing.includes(codeOf(err))) throw err;
      log.error({ err, format: row.format }, 'a record could not be wrapped');
      return 'failed';
    }
  };

  /** Until the page is done, somebody else's, paused, or this node takes no part. Rejects with what failed. */
  const workPage = async (page: Page): Promise<void> => {
    const tally = createTally(page.rows);
    const waiting = [...page.rows];
    let isGivenUp = false;
    let isUnsure = false;
    const isOver = () => isOut() || isGivenUp;
    const giveUp = (error: unknown) => {
      isGivenUp = true;
      if (!(error instanceof Over)) throw error;
    };

    /** After one that failed there is no other: its counts may or may not have arrived. */
    const report = async (isLeaving: boolean): Promise<void> => {
      if (isUnsure) return;
      const counts = tally.take();
      try {
        if (!(await desk.report(page, tally.left(), { counts, isLeaving }))) isGivenUp = true;
      } catch (err) {
        isUnsure = true;
        isGivenUp = true;
        log.warn({ err }, 'a campaign page is left to its lease');
      }
    };
    const lane = async (run: RunSpare) => {
      for (let row = waiting.shift(); row !== undefined && !isOver(); row = waiting.shift()) {
        const outcome = await settle(page, row, run);
        tally.note(row, outcome);
        count(outcome);
      }
    };

    const timer = setInterval(() => void report(false), reportMs);
    const lanes = spare.lanes(page.campaign.share, isOver);
    const ends = await Promise.allSettled(lanes.map((run) => lane(run).catch(giveUp)));
    clearInterval(timer);
    await report(true);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  };

  const walkOn = async (walk: Walk): Promise<void> => {
    await spare.room(isOut);
    const stepSize = walk.campaign.isCounting ? steps.counting : steps.wrapping;
    const { cursor, rows } = await credentials.scan(walk.cursor, stepSize);
    const page = await desk.advance(walk, cursor, takeCensus(rows, walk.campaign));
    if (page !== undefined) await workPage(page);
  };

  /** How long to wait before asking again. */
  const work = async (taken: Taken): Promise<number> => {
    if (taken.kind === 'page') await workPage(taken);
    else if (taken.kind === 'walk') await walkOn(taken);
    // An alarm, as at a login that needs it.
    else if (taken.kind === 'key') keys.need([taken.key]);
    else return pausesMs[taken.kind];
    return 0;
  };

  const step = async (): Promise<number> => {
    try {
      return isOut() ? pausesMs.idle : await work(await desk.take(keys.ids()));
    } catch (err) {
      if (err instanceof Over) return 0;
      if (codeOf(err) === 'key_missing') return pausesMs.key;
      log.warn({ err }, 'campaign interrupted, trying on');
      return pausesMs.failed;
    }
  };

  const loop = async (): Promise<void> => {
    while (!isStopping()) {
      const ms = await step();
      if (ms > 0) await pause(ms);
    }
  };
  let ended: Promise<void> = Promise.resolve();

  return {
    start: () => {
      ended = loop();
    },
    /** Resolves when nothing of it runs here any more; what is left is anybody's at once. */
    stop: async (): Promise<void> => {
      stopping.abort();
      await ended;
    },
  };
};
