/**
 * What the gateway's processes say to each other over IPC. The primary relays; it never looks
 * inside. No dependency, because the primary loads this.
 */

/** For how long an edge keeps an idle connection; every answer says so, and a reload keeps to it. */
export const keepAliveMs = 5000;

/** Within which a child ends, its announcement (`STOP_DELAY`) included; then the primary kills it. */
export const drainMs = (stopDelayMs: number): number => stopDelayMs + 10_000;

/** What the admin child asks every edge for. */
export type Topic = 'metrics' | 'nodes';

export type ToChild =
  | 'drain'
  /** `mean`: connections of an edge, on average. */
  | { t: 'ping'; mean: number }
  /** The whole gateway stops: readiness turns 503. */
  | { t: 'stopping' }
  | { t: 'collect'; id: number; topic: Topic }
  /** `places`: of the edges, in the order of their parts. */
  | { t: 'collected'; id: number; parts: object[][]; places: number[] };

export type FromChild =
  | 'ready'
  | { t: 'pong'; connections: number }
  | { t: 'listening'; port: number }
  | { t: 'failed'; text: string }
  /** It stops; one that was told to need not say so, another is replaced at once. */
  | { t: 'leaving' }
  /** From the admin child: gather it of all edges. */
  | { t: 'gather'; id: number; topic: Topic }
  | { t: 'part'; id: number; part: object[] };

export const isMessage = (value: unknown): value is Exclude<FromChild | ToChild, string> =>
  typeof value === 'object' && value !== null && 't' in value && typeof value.t === 'string';
