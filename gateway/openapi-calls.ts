/** The calls of the public API and what each may answer, for the OpenAPI document (openapi.ts). */
import type { ErrorCode } from '../shared/errors.js';

export type Schema = Readonly<Record<string, unknown>>;
export type Answer = { text: string; schema?: Schema; headers?: readonly string[] };
export type Call = {
  summary: string;
  /** Fields of the body; a trailing `?` marks an optional one. */
  body?: Readonly<Record<string, Schema>>;
  form?: true;
  query?: Readonly<Record<string, Schema>>;
  /** Any of these; `none`: a field of the body says who it is. */
  security?: readonly ('bearer' | 'cookie' | 'client' | 'none')[];
  ok: Readonly<Record<number, Answer>>;
  errors: readonly ErrorCode[];
};

export const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const whole: Schema = { type: 'integer' };
const moment: Schema = { type: 'string', format: 'date-time' };

const nameOf = (field: string): string => field.replace(/\?$/, '');

export const object = (fields: Readonly<Record<string, Schema>>): Schema => ({
  type: 'object',
  required: Object.keys(fields).filter((field) => !field.endsWith('?')),
  properties: Object.fromEntries(Object.entries(fields).map(([name, of]) => [nameOf(name), of])),
});

const tokens = object({
  ...{ access_token: text, token_type: text, expires_in: whole, refresh_token: text },
  ...{ session_id: text, user_id: text, scope: text, 'device_token?': text },
});
const cookieLogin = object({ session_id: text, user_id: text, scope: text, 'device_token?': text });
/** Not oneOf: tokens come with all that comes beside a cookie. */
const signedIn: Schema = { anyOf: [tokens, cookieLogin] };
const clientTokens = object({
  ...{ access_token: text, token_type: text, expires_in: whole },
  ...{ 'refresh_token?': text, 'scope?': text },
});
const session = object({
  ...{ session_id: text, created_at: moment, last_used_at: moment },
  ...{ client_address: text, user_agent: text, current: flag },
});
const status = object({ status: text });
const anything: Schema = { type: 'object' };

/** What any call may answer, before it is looked at. */
export const always: readonly ErrorCode[] = [
  ...(['bad_request', 'request_timeout', 'payload_too_large', 'headers_too_large'] as const),
  ...(['not_found', 'method_not_allowed', 'internal'] as const),
];
const bearerErrors: readonly ErrorCode[] = [
  ...(['token_missing', 'token_invalid', 'token_expired', 'session_ended'] as const),
  ...(['insufficient_scope', 'origin_refused'] as const),
  ...(['temporarily_unavailable', 'store_unavailable'] as const),
];
/** With a cookie, what changes something must not be what a plain HTML form can send. */
const changeErrors: readonly ErrorCode[] = [...bearerErrors, 'unsupported_media_type'];
const passwordErrors: readonly ErrorCode[] = [
  ...(['unsupported_media_type', 'too_many_attempts', 'overloaded', 'no_node'] as const),
  ...(['bad_node_answer', 'temporarily_unavailable', 'store_unavailable', 'timeout'] as const),
];
const clientErrors: readonly ErrorCode[] = [
  ...(['invalid_request', 'invalid_client', 'too_many_attempts'] as const),
  'temporarily_unavailable',
];

const verifyCall: Call = {
  summary: 'Is this caller signed in, and who is it? Any method; the body is never read.',
  query: { headers: text, scope: text, client: text },
  security: ['bearer', 'cookie'],
  ok: {
    200: {
      text: 'The caller, in the headers of the chosen dialect.',
      headers: ['X-Auth-User', 'X-Auth-Session', 'X-Auth-Scope', 'X-Auth-Client'],
    },
  },
  errors: [...bearerErrors, 'issuer_unavailable'],
};
const clientCall = { form: true, security: ['client', 'none'] } as const;
/** Instead of the header. */
const clientFields = {
  ...{ 'client_id?': text, 'client_secret?': text },
  ...{ 'client_assertion?': text, 'client_assertion_type?': text },
};

/** By method and path, as in the routes; `*` is any method. */
export const calls: Readonly<Record<string, Call>> = {
  'POST /v1/users': {
    summary: 'Registers an account, where registration is open.',
    body: { username: text, password: text },
    ok: { 201: { text: 'The account.', schema: object({ user_id: text, username: text }) } },
    errors: [...passwordErrors, 'account_exists', 'store_refused', 'registration_closed'],
  },
  'POST /v1/login': {
    summary: 'Signs in: tokens, or a session cookie when `cookie` is true.',
    body: {
      ...{ username: text, password: text, 'scope?': text, 'device_token?': text },
      ...{ 'cookie?': flag, 'critical?': flag },
    },
    ok: { 200: { text: 'Signed in.', schema: signedIn } },
    errors: [
      ...passwordErrors,
      ...(['bad_credentials', 'invalid_scope', 'origin_refused', 'critical_unavailable'] as const),
    ],
  },
  '* /v1/verify': verifyCall,
  '* /v1/require': {
    ...verifyCall,
    summary: 'The same with the demands as the first segment of the path, the rest is ignored.',
  },
  'POST /v1/refresh': {
    summary: 'New tokens for a refresh token, which is spent.',
    body: { refresh_token: text },
    ok: { 200: { text: 'The successor.', schema: tokens } },
    errors: ['unsupported_media_type', 'token_invalid', 'session_ended', 'store_unavailable'],
  },
  'POST /v1/logout': {
    summary: 'Ends the session everywhere; repeatable.',
    security: ['bearer', 'cookie'],
    ok: { 204: { text: 'It has ended.' } },
    errors: changeErrors,
  },
  'POST /v1/password': {
    summary: 'Changes the password, by the current one or by a reset token.',
    body: { 'current_password?': text, new_password: text, 'reset_token?': text },
    security: ['bearer', 'cookie', 'none'],
    ok: {
      200: { text: 'Fresh tokens (or a fresh cookie) for the same session.', schema: signedIn },
      204: { text: 'Reset; no session goes on.' },
    },
    errors: [...bearerErrors, ...passwordErrors, 'bad_credentials', 'store_refused'],
  },
  'GET /v1/sessions': {
    summary: 'Where the caller is signed in.',
    security: ['bearer', 'cookie'],
    ok: {
      200: {
        text: 'The last used first.',
        schema: object({ sessions: { type: 'array', items: session } }),
      },
    },
    errors: bearerErrors,
  },
  'DELETE /v1/sessions': {
    summary: 'Ends all sessions of the caller, or all but this one (`keep=current`); repeatable.',
    query: { keep: { type: 'string', enum: ['current'] } },
    security: ['bearer', 'cookie'],
    ok: { 204: { text: 'They have ended.' } },
    errors: changeErrors,
  },
  'DELETE /v1/sessions/{id}': {
    summary: 'Ends one session of the caller; repeatable.',
    security: ['bearer', 'cookie'],
    ok: { 204: { text: 'It has ended.' } },
    errors: changeErrors,
  },
  'POST /oauth/token': {
    ...clientCall,
    summary: 'Tokens for a client (RFC 6749): client_credentials, refresh_token.',
    body: { grant_type: text, 'scope?': text, 'refresh_token?': text, ...clientFields },
    ok: { 200: { text: 'Tokens.', schema: clientTokens } },
    errors: [
      ...clientErrors,
      ...(['invalid_grant', 'unauthorized_client', 'unsupported_grant_type'] as const),
      'invalid_scope',
    ],
  },
  'POST /oauth/introspect': {
    ...clientCall,
    summary: 'What a token is worth now (RFC 7662).',
    body: { token: text, 'token_type_hint?': text, ...clientFields },
    ok: { 200: { text: 'active, and more when it is.', schema: anything } },
    errors: clientErrors,
  },
  'POST /oauth/revoke': {
    ...clientCall,
    summary: 'Ends a token (RFC 7009).',
    body: { token: text, 'token_type_hint?': text, ...clientFields },
    ok: { 200: { text: 'It is dead.' } },
    errors: [...clientErrors, 'invalid_grant'],
  },
  'GET /.well-known/oauth-authorization-server': {
    summary: 'Metadata (RFC 8414).',
    ok: { 200: { text: 'Where everything is.', schema: anything } },
    errors: [],
  },
  'GET /.well-known/jwks.json': {
    summary: 'Public keys that access tokens are signed with (RFC 7517).',
    ok: { 200: { text: 'Keys.', schema: object({ keys: { type: 'array', items: anything } }) } },
    errors: [],
  },
  'GET /openapi.json': {
    summary: 'This document.',
    ok: { 200: { text: 'OpenAPI 3.1.', schema: anything } },
    errors: [],
  },
  'GET /healthz': {
    summary: 'Liveness.',
    ok: { 200: { text: 'It lives.', schema: status } },
    errors: [],
  },
  'GET /readyz': {
    summary: 'Readiness; 503 while the whole gateway stops.',
    ok: {
      200: { text: 'Ready.', schema: status },
      503: { text: 'Stopping.', schema: status },
    },
    errors: [],
  },
};
