/**
 * What a caller hands in and what would come back in somebody else's error message: fetch quotes bad
 * header values and addresses with passwords in full, so neither is ever given to it.
 */
import { FloodgateError } from './errors.js';

/** An Authorization header (RFC 6750 § 2.1), or bad_argument for what cannot be a token. */
export const bearer = (token: string): string => {
  if (!/^[\w.~+/-]+=*$/.test(token)) throw new FloodgateError('bad_argument');
  return `Bearer ${token}`;
};

const isUsable = (url: string): boolean => {
  try {
    const { protocol, username, password, hash } = new URL(url);
    return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
  } catch {
    return false;
  }
};

/** http or https without credentials or fragment. Throws bad_argument, which quotes nothing. */
export const checkUrl = (url: string): string => {
  if (!isUsable(url)) throw new FloodgateError('bad_argument');
  return url;
};

/** Addresses below a base, which may have a path of its own. */
export const endpoint = (baseUrl: string): ((path: string) => string) => {
  const base = checkUrl(baseUrl).replace(/\/+$/, '');
  if (base.includes('?')) throw new FloodgateError('bad_argument');
  return (path) => base + path;
};
