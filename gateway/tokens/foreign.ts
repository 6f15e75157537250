/**
 * The signature and the registered claims of a JWT that another issuer signed, with the one key and the
 * one algorithm that the caller found for it. What the claims mean here is not this file's business.
 */
import type { KeyObject } from 'node:crypto';
import { errors as joseErrors, jwtVerify } from 'jose';
import { AppError } from '../../shared/errors.js';
import { invalid } from './invalid.js';
import { skewSeconds } from './life.js';

/** Throws token_invalid or token_expired. */
export const checkForeign = async (
  token: string,
  {
    key,
    alg,
    issuer,
    audience,
    nowMs,
  }: {
    key: KeyObject;
    alg: string;
    issuer: string;
    audience: readonly string[];
    nowMs: number;
  },
): Promise<Readonly<Record<string, unknown>>> => {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [alg],
      issuer,
      audience: [...audience],
      // Issuers' clocks are not ours. An end is an end, though: `exp` is compared exactly.
      clockTolerance: skewSeconds,
      currentDate: new Date(nowMs),
      requiredClaims: ['exp'],
    });
    return payload;
  } catch (cause) {
    if (cause instanceof joseErrors.JWTExpired) throw new AppError('token_expired');
    if (cause instanceof joseErrors.JOSEError) throw invalid(cause.code);
    throw cause;
  }
};
