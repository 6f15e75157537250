/**
 * Every error that Floodgate can answer with, in one table, and the one class that carries it.
 * Parts throw `new AppError(code)` and know no statuses; `http.ts` holds the single catch that turns a
 * code into an answer. Public text comes from here and nowhere else: `detail` and `cause` go to the
 * log, `reason` picks a second sentence from the fixed list below, so no user input reaches a message.
 */

type Row = { status: number; text: string; retryAfterMs?: number; challenge?: 'bare' | 'invalid' };

export const errors = {
  bad_request: { status: 400, text: 'The request is malformed.' },
  invalid_scope: { status: 400, text: 'A requested scope is not granted to this account.' },
  bad_credentials: { status: 401, text: 'The user name or the password is not right.' },
  token_missing: { status: 401, text: 'A bearer token is required.', challenge: 'bare' },
  token_invalid: { status: 401, text: 'The token is not valid.', challenge: 'invalid' },
  token_expired: { status: 401, text: 'The token has expired.', challenge: 'invalid' },
  session_ended: { status: 401, text: 'The session has ended.', challenge: 'invalid' },
  not_authenticated: { status: 401, text: 'The caller did not prove its identity.' },
  insufficient_scope: { status: 403, text: 'The token lacks a required scope.' },
  registration_closed: { status: 403, text: 'Registration is closed.' },
  not_found: { status: 404, text: 'There is nothing at this address.' },
  method_not_allowed: { status: 405, text: 'This method is not supported here.' },
  request_timeout: { status: 408, text: 'The request did not arrive in time.' },
  account_exists: { status: 409, text: 'An account with this user name exists.' },
  payload_too_large: { status: 413, text: 'The body is larger than 16 KiB.' },
  unsupported_media_type: { status: 415, text: 'The body must be application/json in UTF-8.' },
  too_many_attempts: {
    status: 429,
    text: 'Too many attempts. Wait before trying again.',
    retryAfterMs: 30_000,
  },
  headers_too_large: { status: 431, text: 'The headers exceed 16 KiB or 100 lines.' },
  internal: { status: 500, text: 'Something went wrong on our side.' },
  overloaded: { status: 503, text: 'All password nodes are busy. Try again.', retryAfterMs: 1000 },
  no_node: { status: 503, text: 'No password node is available. Try again.', retryAfterMs: 1000 },
  bad_node_answer: { status: 503, text: 'A password node failed. Try again.', retryAfterMs: 1000 },
  store_unavailable: {
    status: 503,
    text: 'The session store is unavailable. Try again.',
    retryAfterMs: 1000,
  },
  issuer_unavailable: {
    status: 503,
    text: 'The issuer of this token cannot be asked now. Try again.',
    retryAfterMs: 1000,
  },
  timeout: { status: 504, text: 'The answer took too long. Try again.' },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errors;

/** Second sentences for `bad_request`; `{field}` is a name from our own code, never from the caller. */
export const reasons = {
  host: 'Exactly one Host header is required.',
  duplicate_header: 'The {field} header may appear only once.',
  target: 'The request target must be a path.',
  framing: 'Transfer-Encoding and Content-Length must not be combined.',
  expectation: 'Only Expect: 100-continue is supported.',
  not_json: 'The body is not valid JSON.',
  not_utf8: 'The body is not valid UTF-8.',
  not_object: 'The body must be one JSON object.',
  too_deep: 'The body is nested deeper than 8 levels.',
  too_many_keys: 'The body has more than 32 keys.',
  duplicate_key: 'The body repeats a key.',
  unknown_field: 'The body has a field that this call does not know.',
  missing_field: '{field} is missing.',
  not_string: '{field} must be a string.',
  ill_formed: '{field} is not well-formed Unicode.',
  field_invalid: '{field} is not valid.',
  username_length: 'username must have 1 to 256 characters.',
  username_character: 'username has a character that is not allowed in it.',
  password_too_long: '{field} must have at most 4096 bytes.',
  password_too_short: '{field} must have at least 8 characters.',
  password_common: '{field} is one of the most common passwords. Choose another.',
  hash_unknown: 'hash is not in a supported format.',
  hash_malformed: 'hash does not follow the grammar of its format.',
  hash_limit: 'hash asks for more work or memory than the limits allow.',
} as const;

export type Reason = keyof typeof reasons;

type Options = {
  cause?: unknown;
  retryAfterMs?: number;
  /** For the log only. */
  detail?: string;
  reason?: Reason;
  /** Fills `{field}` of the reason; a name from our own code. */
  field?: string;
};

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly detail: string | undefined;
  readonly reason: Reason | undefined;
  readonly field: string | undefined;

  constructor(code: ErrorCode, options: Options = {}) {
    super(code, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = options.detail;
    this.reason = options.reason;
    this.field = options.field;
  }
}

export const isAppError = (error: unknown): error is AppError => error instanceof AppError;

/** The code of any thrown value; what we did not throw ourselves is `internal`. */
export const codeOf = (error: unknown): ErrorCode => (isAppError(error) ? error.code : 'internal');

export const isReason = (text: unknown): text is Reason =>
  typeof text === 'string' && Object.hasOwn(reasons, text);

export const isErrorCode = (text: unknown): text is ErrorCode =>
  typeof text === 'string' && Object.hasOwn(errors, text);

/** The row of a code, with the optional columns visible. */
export const rowOf = (code: ErrorCode): Row => errors[code];

/** Public text of an error: its row, and the reason's sentence where there is one. */
export const describe = (error: AppError): string => {
  const text = rowOf(error.code).text;
  if (error.reason === undefined) return text;
  return `${text} ${reasons[error.reason].replace('{field}', error.field ?? 'A field')}`;
};
