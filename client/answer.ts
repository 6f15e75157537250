/**
 * One attempt: a request goes out, and what comes back is either the JSON of a 2xx answer or a typed
 * error with the way it failed. Servers and proxies may answer anything, so nothing here is taken on
 * trust: bodies are bounded, codes and ids must look like such, redirects are not followed (the
 * request carries secrets).
 */
import { orAborted, reasonOf } from './deadline.js';
import { FloodgateError } from './errors.js';
import { type Failure, isNotStarted, readRetryAfter } from './retry.js';

export type Fetch = typeof globalThis.fetch;
export type Request = {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
};
export type Fields = Record<string, unknown>;
type Good = { status: number; headers: Headers; fields: Fields };
type Bad = { error: FloodgateError; failure: Failure };
/** `sentAt`: when the attempt began, in milliseconds since 1970; what is in the answer is no older. */
export type Answer = Good & { sentAt: number };
export type Failed = Bad & { sentAt: number };
export type Outcome = Answer | Failed;

const maxBodyBytes = 1024 * 1024;

/** Errors of Node's fetch before anything was sent; browsers do not say. */
const connectErrors = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
  'UND_ERR_CONNECT_TIMEOUT',
]);

const wasNotSent = (error: unknown): boolean => {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && connectErrors.has(String(cause.code));
};

/** All of the body as text; undefined when it is too long or not UTF-8. */
const readText = async (response: Response, signal: AbortSignal): Promise<string | undefined> => {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await orAborted(reader.read(), signal);
      if (done) return text + decoder.decode();
      bytes += value.byteLength;
      if (bytes > maxBodyBytes) return undefined;
      try {
        text += decoder.decode(value, { stream: true });
      } catch {
        return undefined;
      }
    }
  } finally {
    // Also ends the connection when there is more than we want.
    reader.cancel().catch(() => {});
  }
};

const parse = (text: string | undefined): Fields | undefined => {
  if (text === undefined) return undefined;
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const matching = (value: unknown, grammar: RegExp): string | undefined =>
  typeof value === 'string' && grammar.test(value) ? value : undefined;

const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

const codeGrammar = /^[a-z][a-z0-9_]{0,63}$/;

const errorOf = ({ status, headers, fields }: Good, now: number): FloodgateError => {
  const code = matching(fields.error, codeGrammar) ?? `status_${status}`;
  const retryAfterMs = readRetryAfter(headers.get('retry-after'), {
    date: headers.get('date'),
    now,
  });
  const requestId = fields.request_id ?? headers.get('x-request-id');
  return new FloodgateError(code, {
    kind: isPassing(status) ? 'unavailable' : 'rejected',
    status,
    retryAfterMs,
    requestId: matching(requestId, /^[\w.:+/=-]{1,128}$/),
    // The characters that RFC 6749 § 5.2 allows.
    description: matching(fields.error_description, /^[ !#-[\]-~]{1,300}$/),
    mayHaveRun: status >= 500 && !isNotStarted(status, code),
  });
};

/**
 * Every refusal of the server has its code. A 4xx without one is a proxy's that has no way to it, or does not let
 * us through: nobody has looked at the token, or the password.
 */
const isDecided = ({ status, fields }: Good): boolean =>
  isPassing(status) || matching(fields.error, codeGrammar) !== undefined;

const badAnswer = (status: number): Bad => ({
  error: new FloodgateError('bad_answer', { status, mayHaveRun: true }),
  failure: { how: 'lost' },
});

const unanswered = (error: unknown, signal: AbortSignal): Bad => {
  if (signal.aborted) {
    const { code } = reasonOf(signal);
    return {
      error: new FloodgateError(code, { mayHaveRun: true }),
      failure: { how: 'timeout' },
    };
  }
  const isUnsent = wasNotSent(error);
  return {
    error: new FloodgateError('network_error', { mayHaveRun: !isUnsent, cause: error }),
    failure: { how: isUnsent ? 'not_sent' : 'lost' },
  };
};

export const createAttempt = ({ fetch, now }: { fetch: Fetch; now: () => number }) => {
  const send = async ({ url, ...request }: Request, signal: AbortSignal): Promise<Good | Bad> => {
    try {
      const sent = fetch(url, { ...request, redirect: 'manual', signal });
      const response = await orAborted(sent, signal);
      const { status, headers, ok } = response;
      // A refusal is one without its body, too.
      const text = readText(response, signal);
      const fields = parse(ok ? await text : await text.catch(() => undefined));
      if (ok) return fields ? { status, headers, fields } : badAnswer(status);
      if (status < 400) return badAnswer(status);
      const answer = { status, headers, fields: fields ?? {} };
      if (!isDecided(answer)) return badAnswer(status);
      const error = errorOf(answer, now());
      return { error, failure: { how: 'answer', status, code: error.code } };
    } catch (error) {
      return unanswered(error, signal);
    }
  };

  return async (request: Request, signal: AbortSignal): Promise<Outcome> => {
    const sentAt = now();
    return { ...(await send(request, signal)), sentAt };
  };
};
