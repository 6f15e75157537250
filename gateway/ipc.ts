/**
 * What the gateway's processes say to each other over IPC. The primary relays; it never looks
 * inside. No dependency, because the primary loads this.
 */
export type ToChild =
  | 'drain'
  | { t: 'ping' }
  /** The whole gateway stops: readiness turns 503. */
  | { t: 'stopping' }
  | { t: 'collect'; id: number }
  | { t: 'collected'; id: number; parts: object[][] };

export type FromChild =
  | 'ready'
  | { t: 'pong' }
  | { t: 'listening'; port: number }
  | { t: 'failed'; text: string }
  /** From the admin child: gather metrics of all edges. */
  | { t: 'gather'; id: number }
  | { t: 'metrics'; id: number; part: object[] };

export const isMessage = (value: unknown): value is Exclude<FromChild | ToChild, string> =>
  typeof value === 'object' && value !== null && 't' in value && typeof value.t === 'string';
