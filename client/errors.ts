/**
 * The one class that everything here throws. `kind` says what a caller can do about it and is a closed
 * set, made for `switch`; `code` says why: the server's own code (`bad_credentials`, `overloaded`,
 * `invalid_client`, …) or one of the local ones below. Messages come from this file alone: nothing that
 * a caller or a server has sent gets into one, so neither does a secret.
 */

/** What happened here, before or instead of a usable answer. */
const local = {
  network_error: {
    kind: 'unreachable',
    text: 'The connection failed before the answer was there.',
  },
  attempt_timeout: { kind: 'unreachable', text: 'No answer within the time of one attempt.' },
  bad_answer: { kind: 'unreachable', text: 'The answer is not one that this API gives.' },
  deadline_exceeded: { kind: 'deadline', text: 'The time of the call is over.' },
  aborted: { kind: 'aborted', text: 'The caller has withdrawn the call.' },
  client_overloaded: { kind: 'overloaded', text: 'Too many calls of this client are waiting.' },
  asked_to_wait: {
    kind: 'overloaded',
    text: 'The server wants a pause that is longer than the time of this call: nothing was sent.',
  },
  not_signed: { kind: 'unreachable', text: 'The signer of client assertions has failed.' },
  not_loaded: {
    kind: 'unreachable',
    text: 'What is saved of the session could not be loaded.',
  },
  not_saved: { kind: 'not_saved', text: 'The new tokens could not be saved, so none was used.' },
  bad_argument: { kind: 'misuse', text: 'An argument is not valid' },
} as const;

export type LocalCode = keyof typeof local;

/**
 * - `rejected`: the server has decided (4xx); the same again changes nothing.
 * - `unavailable`: not now (429, 5xx); `retryAfterMs` says when, where the server did.
 * - `unreachable`: no usable answer, or none of `signAssertion` or `load`.
 * - `deadline`, `aborted`: the call's own time or signal.
 * - `overloaded`: this client holds back, nothing was sent.
 * - `not_saved`: `onChange` of a user session has thrown or hangs; it is asked again.
 * - `misuse`: a mistake in the program that calls.
 */
export type ErrorKind = 'rejected' | 'unavailable' | (typeof local)[LocalCode]['kind'];

/** Codes of the API (design § 3) and of OAuth; servers may add others, and proxies have none. */
export type ServerCode =
  | 'bad_request'
  | 'invalid_scope'
  | 'bad_credentials'
  | 'token_missing'
  | 'token_invalid'
  | 'token_expired'
  | 'session_ended'
  | 'insufficient_scope'
  | 'origin_refused'
  | 'critical_unavailable'
  | 'registration_closed'
  | 'not_found'
  | 'account_exists'
  | 'store_refused'
  | 'payload_too_large'
  | 'too_many_attempts'
  | 'internal'
  | 'overloaded'
  | 'no_node'
  | 'bad_node_answer'
  | 'store_unavailable'
  | 'issuer_unavailable'
  | 'timeout'
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'temporarily_unavailable';

export type ErrorCode = LocalCode | ServerCode | (string & {});

type Details = {
  kind?: ErrorKind;
  status?: number | undefined;
  retryAfterMs?: number | undefined;
  requestId?: string | undefined;
  description?: string | undefined;
  mayHaveRun?: boolean;
  /** Which, of those that a caller of ours gives; never what is in it. */
  argument?: 'token' | 'clientAddress' | 'userAgent' | 'url';
  cause?: unknown;
};

const isLocal = (code: string): code is LocalCode => Object.hasOwn(local, code);

export class FloodgateError extends Error {
  readonly kind: ErrorKind;
  readonly code: ErrorCode;
  /** HTTP status of the answer, where there was one. */
  readonly status: number | undefined;
  /** Until the same call makes sense again, as the server or this client's own pause has it. */
  readonly retryAfterMs: number | undefined;
  /** To be named when the operator of the server is asked. */
  readonly requestId: string | undefined;
  /** What the server says about it; for people, in its words. */
  readonly description: string | undefined;
  /** The server may have done what was asked: there was no answer, or none that says it did not. */
  readonly mayHaveRun: boolean;

  constructor(code: ErrorCode, details: Details = {}) {
    const { kind, status, argument, cause } = details;
    const text = isLocal(code) ? local[code].text : `The server answered ${status} ${code}.`;
    super(
      argument === undefined ? text : `${text}: ${argument}.`,
      cause === undefined ? undefined : { cause },
    );
    this.name = 'FloodgateError';
    this.kind = kind ?? (isLocal(code) ? local[code].kind : 'rejected');
    this.code = code;
    this.status = status;
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId;
    this.description = details.description;
    this.mayHaveRun = details.mayHaveRun ?? false;
  }
}

/** Also tells one that came from a second copy of this library. */
export const isFloodgateError = (error: unknown): error is FloodgateError =>
  error instanceof FloodgateError ||
  (error instanceof Error && error.name === 'FloodgateError' && 'kind' in error && 'code' in error);
