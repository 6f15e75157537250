/**
 * Every error that Floodgate can answer with, in one table, and the one class that carries it.
 * Parts throw `new AppError(code)` and know no statuses; `http.ts` holds the single catch that turns a
 * code into an answer. Public text comes from here and nowhere else: `detail` and `cause` go to the
 * log, `reason` picks a second sentence from the fixed list below, so no user input reaches a message.
 */

/** Which WWW-Authenticate an answer carries. */
export type Challenge = 'bare' | 'invalid' | 'scope' | 'basic';
type Row = { status: number; text: string; retryAfterMs?: number; challenge?: Challenge };

export const errors = {
  bad_request: { status: 400, text: 'The request is malformed.' },
  invalid_scope: { status: 400, text: 'A requested scope is not granted.' },
  invalid_request: { status: 400, text: 'The request is malformed.' },
  invalid_grant: { status: 400, text: 'The token is not valid, or belongs to another client.' },
  unauthorized_client: { status: 400, text: 'This client may not use this grant.' },
  unsupported_grant_type: { status: 400, text: 'This grant type is not supported.' },
  invalid_client: { status: 401, text: 'The client did not prove its identity.' },
  bad_credentials: { status: 401, text: 'The user name or the password is not right.' },
  token_missing: { status: 401, text: 'A bearer token is required.', challenge: 'bare' },
  token_invalid: { status: 401, text: 'The token is not valid.', challenge: 'invalid' },
  token_expired: { status: 401, text: 'The token has expired.', challenge: 'invalid' },
  session_ended: { status: 401, text: 'The session has ended.', challenge: 'invalid' },
  not_authenticated: { status: 401, text: 'The caller did not prove its identity.' },
  insufficient_scope: {
    status: 403,
    text: 'The caller lacks a required scope or is not a required client.',
    challenge: 'scope',
  },
  origin_refused: { status: 403, text: 'The session cookie is not accepted from this origin.' },
  critical_unavailable: {
    status: 403,
    text: 'Critical sessions are not available for this account.',
  },
  registration_closed: { status: 403, text: 'Registration is closed.' },
  not_found: { status: 404, text: 'There is nothing at this address.' },
  method_not_allowed: { status: 405, text: 'This method is not supported here.' },
  request_timeout: { status: 408, text: 'The request did not arrive in time.' },
  account_exists: { status: 409, text: 'An account with this user name exists.' },
  store_refused: { status: 409, text: 'The user database refuses this change.' },
  campaign_conflict: {
    status: 409,
    text: 'A campaign is under way, or none is: see its status.',
  },
  payload_too_large: {
    status: 413,
    text: 'The body is larger than this call takes: 16 KiB, a batch 8 MiB.',
  },
  unsupported_media_type: { status: 415, text: 'The body is not of the media type of this call.' },
  too_many_attempts: {
    status: 429,
    text: 'Too many attempts. Wait before trying again.',
    retryAfterMs: 30_000,
  },
  headers_too_large: { status: 431, text: 'The headers exceed 16 KiB or 100 lines.' },
  internal: { status: 500, text: 'Something went wrong on our side.' },
  thread_lost: { status: 500, text: 'A hash thread ended. Try again.' },
  overloaded: { status: 503, text: 'All password nodes are busy. Try again.', retryAfterMs: 1000 },
  no_node: { status: 503, text: 'No password node is available. Try again.', retryAfterMs: 1000 },
  key_missing: { status: 503, text: 'The answer is not known right now.', retryAfterMs: 1000 },
  library_missing: { status: 503, text: 'The answer is not known right now.', retryAfterMs: 1000 },
  bad_node_answer: { status: 503, text: 'A password node failed. Try again.', retryAfterMs: 1000 },
  store_unavailable: {
    status: 503,
    text: 'The session store is unavailable. Try again.',
    retryAfterMs: 1000,
  },
  temporarily_unavailable: {
    status: 503,
    text: 'The answer is not known right now. Try again.',
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
  unknown_parameter: 'Only the parameters headers, scope and client are known.',
  duplicate_parameter: 'The parameter {field} may appear only once.',
  parameter_invalid: 'The parameter {field} is not valid.',
  duplicate_cookie: 'The session cookie may appear only once.',
  framing: 'Transfer-Encoding and Content-Length must not be combined.',
  expectation: 'Only Expect: 100-continue is supported.',
  not_json: 'The body is not valid JSON.',
  not_form: 'The body is not a valid form.',
  json_required: 'The body must be application/json in UTF-8.',
  lines_required: 'The body must be application/x-ndjson.',
  form_required: 'The body must be application/x-www-form-urlencoded in UTF-8.',
  client_methods: 'A client must authenticate in exactly one way.',
  client_header: 'The Authorization header is malformed.',
  jwks_invalid: 'jwks must be 1 to 5 public keys: Ed25519, P-256, or RSA of 2048 to 4096 bits.',
  client_without_secret: 'This client has keys of its own and no secret.',
  client_mismatch: 'client_id is not the client that authenticates.',
  not_utf8: 'The body is not valid UTF-8.',
  not_object: 'The body must be one JSON object.',
  too_deep: 'The body is nested deeper than 8 levels.',
  too_many_keys: 'The body has more than 32 keys.',
  duplicate_key: 'The body repeats a key.',
  unknown_field: 'The body has a field that this call does not know.',
  missing_field: '{field} is missing.',
  not_string: '{field} must be a string.',
  not_boolean: '{field} must be true or false.',
  ill_formed: '{field} is not well-formed Unicode.',
  field_invalid: '{field} is not valid.',
  username_length: 'username must have 1 to 256 characters.',
  username_character: 'username has a character that is not allowed in it.',
  password_too_long: '{field} must have at most 4096 bytes.',
  password_too_short: '{field} must have at least 8 characters.',
  password_common: '{field} is one of the most common passwords. Choose another.',
  hash_unknown: 'hash is not in a supported format.',
  hash_ambiguous: 'hash means different things in different products. Declare its format.',
  hash_malformed: 'hash does not follow the grammar of its format.',
  hash_length: 'The digest in hash has not the length that its function gives.',
  hash_option: 'The format of hash needs an option that is missing or not valid.',
  hash_plaintext: 'hash is a plaintext password or reads as one. It is never stored.',
  hash_unusable: 'hash marks an account without a usable password.',
  hash_unsupported: 'hash needs koffi and libcrypt, which this machine does not have.',
  key_unknown: 'hash needs a key that is not in PASSWORD_KEYS of the nodes, or not the right one.',
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
  /** Instead of the row's. */
  challenge?: Challenge;
  /** Of insufficient_scope: everything that is needed, checked to be scope tokens (RFC 6749). */
  scope?: string;
};

/**
 * A caller's own doing, or that there is no room: nothing that anybody looks for in the code. These have
 * no stack, which takes more of a refusal than all of its decisions.
 */
const isOrdinary = (code: ErrorCode): boolean =>
  errors[code].status < 500 || code === 'overloaded' || code === 'temporarily_unavailable';

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly detail: string | undefined;
  readonly reason: Reason | undefined;
  readonly field: string | undefined;
  readonly challenge: Challenge | undefined;
  readonly scope: string | undefined;

  constructor(code: ErrorCode, options: Options = {}) {
    const limit = Error.stackTraceLimit;
    if (isOrdinary(code)) Error.stackTraceLimit = 0;
    super(code, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = limit;
    this.name = 'AppError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = options.detail;
    this.reason = options.reason;
    this.field = options.field;
    this.challenge = options.challenge;
    this.scope = options.scope;
  }
}

export const isAppError = (error: unknown): error is AppError => error instanceof AppError;

/** The code of any thrown value; what we did not throw ourselves is `internal`. */
export const codeOf = (error: unknown): ErrorCode => (isAppError(error) ? error.code : 'internal');

/** For `catch`: undefined where this code was thrown; whatever else was goes on. */
export const passOver =
  (code: ErrorCode) =>
  (error: unknown): undefined => {
    if (codeOf(error) !== code) throw error;
  };

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
