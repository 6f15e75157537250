/** The answer "no good" about a token, of ours or of another issuer. */
import { AppError } from '../../shared/errors.js';

/** AppError token_invalid (401); `detail` is for the log. */
export const invalid = (detail: string) => new AppError('token_invalid', { detail });
