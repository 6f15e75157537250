/** What is simulated, and what comes out of it. */
import type { ErrorCode } from '../shared/errors.js';
import type { WorkClass } from '../shared/protocol.js';
import type { Counts } from './counts.js';
import type { SimNode } from './node.js';
import type { PolicyName } from './policies.js';

export const serviceMs = 22;

/** What happens to it from outside; nodes by their number. */
export type Fleet = {
  find: (index: number) => SimNode;
  /** For the first time or again. */
  start: (index: number) => SimNode;
  /** It beats no more, and is forgotten in time. */
  kill: (index: number) => void;
  drain: (index: number) => void;
  freezeRegistry: (isSo: boolean) => void;
};

export type World = {
  nodes: number;
  slots: number;
  /** Each edge's share of the users. */
  edges: readonly number[];
  policy: PolicyName;
  /** Nodes and edges stand in these by turns; one when left out. */
  zones?: number;
  /** Offered logins at this moment, as a multiple of what all nodes can do. */
  load: (atMs: number) => number;
  warmUpMs: number;
  /** Measured, after the warm-up. */
  measureMs: number;
  /** Share of the logins that are for one single account. */
  hotShare?: number;
  /** 20,000 when left out. */
  accounts?: number;
  /** Exponent of the accounts' popularity; 0 = all alike. */
  skew?: number;
  /** Shares of the classes, which add up to one; nothing but logins when left out. */
  classes?: Partial<Record<WorkClass, number>>;
  /** How often a refused client comes back, and after how many ms the nth time; `toldMs`: its Retry-After. */
  patience?: {
    tries: number;
    pauseMs: (nth: number, chance: () => number, toldMs: number) => number;
  };
  /** Times count from the end of the warm-up. */
  events?: readonly { atMs: number; run: (fleet: Fleet) => void }[];
  /** How the fleet differs from a sound one from the beginning. */
  start?: (fleet: Fleet) => void;
};

export type Outcome = 'ok' | ErrorCode;
export type Login = {
  /** From the end of the warm-up. */
  atMs: number;
  tookMs: number;
  outcome: Outcome;
  cls: WorkClass;
  isHot: boolean;
  /** How often this client had been refused before. */
  nth: number;
};
/** What was in flight at each node, the most at any since the sample before, and how many of each edge's breakers were open. */
export type Sample = {
  atMs: number;
  inflight: number[];
  deepest: number;
  open: number[];
  isPanic: boolean[];
};
export type Run = {
  logins: Login[];
  counts: Counts;
  samples: Sample[];
  capacity: number;
};
