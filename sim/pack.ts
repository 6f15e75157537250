/**
 * The logins of a run as columns of numbers, for the way between processes: read as millions of small
 * objects they cost a tenth of a simulation, on either side.
 */
import { workClasses } from '../shared/protocol.js';
import type { Login, Run } from './world.js';

export type PackedRun = Omit<Run, 'logins'> & { logins: Columns };
type Columns = {
  atMs: Float64Array;
  tookMs: Float64Array;
  nth: Uint8Array;
  isHot: Uint8Array;
  /** Indexes into the list of classes. */
  cls: Uint8Array;
  /** Indexes into `outcomes`. */
  outcome: Uint8Array;
  outcomes: Login['outcome'][];
};

export const pack = ({ logins, ...rest }: Run): PackedRun => {
  const outcomes = [...new Set(logins.map(({ outcome }) => outcome))];
  const indexOf = new Map(outcomes.map((outcome, index) => [outcome, index]));
  return {
    ...rest,
    logins: {
      atMs: Float64Array.from(logins, ({ atMs }) => atMs),
      tookMs: Float64Array.from(logins, ({ tookMs }) => tookMs),
      nth: Uint8Array.from(logins, ({ nth }) => nth),
      isHot: Uint8Array.from(logins, ({ isHot }) => Number(isHot)),
      cls: Uint8Array.from(logins, ({ cls }) => workClasses.indexOf(cls)),
      outcome: Uint8Array.from(logins, ({ outcome }) => indexOf.get(outcome) ?? 0),
      outcomes,
    },
  };
};

export const unpack = ({ logins: columns, ...rest }: PackedRun): Run => {
  const { atMs, tookMs, nth, isHot, cls, outcome, outcomes } = columns;
  const logins = Array.from(
    atMs,
    (at, i): Login => ({
      atMs: at,
      tookMs: tookMs[i] ?? 0,
      outcome: outcomes[outcome[i] ?? 0] ?? 'internal',
      cls: workClasses[cls[i] ?? 0] ?? 'login',
      isHot: isHot[i] === 1,
      nth: nth[i] ?? 0,
    }),
  );
  return { ...rest, logins };
};
