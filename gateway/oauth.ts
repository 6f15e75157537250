/** What the OAuth endpoints share: a form, its parameters, and how errors are called there. */
import { AppError, type ErrorCode } from '../shared/errors.js';
import type { Ctx, Reply, Route } from '../shared/http.js';

export type Params = Readonly<Partial<Record<string, string>>>;

/** RFC 6749 § 3.1: a parameter without a value is one that was left out. */
const readParams = (body: Readonly<Record<string, unknown>>): Params => {
  const params: Partial<Record<string, string>> = Object.create(null);
  for (const [name, value] of Object.entries(body))
    if (typeof value === 'string' && value !== '') params[name] = value;
  return params;
};

/** Throws invalid_request naming the parameter. */
export const requireParam = (params: Params, name: string): string => {
  const value = params[name];
  if (value === undefined)
    throw new AppError('invalid_request', { reason: 'missing_field', field: name });
  return value;
};

/** 503 has no code in RFC 6749; this one is from its neighbour, the authorization endpoint. */
const unknown: readonly ErrorCode[] = ['store_unavailable', 'overloaded'];

/** The same error under the name that RFC 6749 § 5.2 has for it. */
const asOauth = (error: AppError): AppError => {
  const { code, cause, reason, field, retryAfterMs } = error;
  if (code === 'unsupported_media_type')
    return new AppError('invalid_request', { reason: 'form_required' });
  if (code === 'bad_request')
    return new AppError('invalid_request', {
      ...(reason === undefined ? {} : { reason }),
      ...(field === undefined ? {} : { field }),
    });
  if (!unknown.includes(code)) return error;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new AppError('temporarily_unavailable', { cause, ...wait });
};

/** An endpoint that is asked with a form (RFC 6749 § 3.2, RFC 7009 § 2.1, RFC 7662 § 2.1). */
export const oauthRoute = (
  path: string,
  handle: (ctx: Ctx, params: Params) => Promise<Reply>,
): Route => ({
  method: 'POST',
  path,
  body: 'form',
  translate: asOauth,
  handle: (ctx, body) => handle(ctx, readParams(body)),
});
