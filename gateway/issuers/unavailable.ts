/** The answer "unknown" about a token of another issuer, and when it is worth asking again. */
import { AppError } from '../../shared/errors.js';

/** AppError issuer_unavailable (503); `detail` and `cause` are for the log. */
export const unavailable = (detail: string, retryAfterMs?: number, cause?: unknown) =>
  new AppError('issuer_unavailable', {
    detail,
    ...(cause === undefined ? {} : { cause }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
