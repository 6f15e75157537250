/**
 * How an error looks on the wire: one JSON shape, its headers, and a hand-written answer for what
 * Node's parser refuses before a request object exists.
 */
import { AppError, type Challenge, describe, type ErrorCode, rowOf } from './errors.js';

const bearerErrors = { invalid: 'invalid_token', scope: 'insufficient_scope' } as const;

/** RFC 6750 § 3: no error code where no token came. */
const challengeOf = (error: AppError, kind: Challenge): string => {
  if (kind === 'basic') return 'Basic realm="floodgate", charset="UTF-8"';
  const realm = 'Bearer realm="floodgate"';
  if (kind === 'bare') return realm;
  const scope = error.scope ? `, scope="${error.scope}"` : '';
  const text = rowOf(error.code).text;
  return `${realm}, error="${bearerErrors[kind]}", error_description="${text}"${scope}`;
};

/** The one shape of errors; `inner`: with what an edge needs to pass on. */
export const errorBody = (error: AppError, requestId: string, inner: boolean) => ({
  error: error.code,
  error_description: describe(error),
  request_id: requestId,
  ...(inner && error.reason !== undefined ? { reason: error.reason, field: error.field } : {}),
  ...(inner && error.code === 'overloaded'
    ? { started: false, wait_ms: Math.round(error.retryAfterMs ?? 0) }
    : {}),
});

/** WWW-Authenticate and Retry-After (whole seconds, at least 1), where the error has them. */
export const errorHeaders = (error: AppError): Record<string, string> => {
  const row = rowOf(error.code);
  const headers: Record<string, string> = {};
  const challenge = error.challenge ?? row.challenge;
  if (challenge !== undefined) headers['www-authenticate'] = challengeOf(error, challenge);
  const waitMs = error.retryAfterMs ?? row.retryAfterMs;
  if (waitMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(waitMs / 1000)));
  return headers;
};

/** For what Node's parser refuses: no request object exists, so the answer is written by hand. */
export const rawAnswer = (code: ErrorCode, requestId: string): string => {
  const body = JSON.stringify(errorBody(new AppError(code), requestId, false));
  return (
    `HTTP/1.1 ${rowOf(code).status} Error\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\n` +
    `X-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`
  );
};

export const parserCodes: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};
