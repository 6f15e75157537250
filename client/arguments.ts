/**
 * What a caller hands in and what would come back in somebody else's error message: fetch quotes bad
 * header values and addresses with passwords in full, so neither is ever given to it.
 */
import { FloodgateError } from './errors.js';

const invalid = (argument: 'token' | 'clientAddress' | 'userAgent' | 'url') =>
  new FloodgateError('bad_argument', { argument });

/** An Authorization header (RFC 6750 § 2.1), or bad_argument for what cannot be a token. */
export const bearer = (token: string): string => {
  if (!/^[\w.~+/-]+=*$/.test(token)) throw invalid('token');
  return `Bearer ${token}`;
};

/** The user for whom a server of yours makes a call. */
export type OnBehalf = {
  /**
   * Their IP address, sent as X-Forwarded-For; believed where TRUSTED_PROXIES of the gateway has the
   * address of the caller, else ignored.
   */
  clientAddress?: string | undefined;
  /** Sent as User-Agent, for the list of sessions. Browsers do not let a page set it. */
  userAgent?: string | undefined;
};

const v4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** One address; no port, brackets, zone or list. Browsers have no isIP, but a strict parser. */
const isAddress = (text: string): boolean =>
  v4.test(text) || (/^[\da-f:.]{2,45}$/i.test(text) && isUsable(`http://[${text}]/`));

/** What a field value may have (RFC 9110 § 5.5). */
const isFieldValue = (text: string): boolean => /^[\t -~\x80-\xff]*$/.test(text);

/** The headers that say so, or bad_argument. */
export const onBehalfOf = ({ clientAddress, userAgent }: OnBehalf): Record<string, string> => {
  if (clientAddress !== undefined && !isAddress(clientAddress)) throw invalid('clientAddress');
  if (userAgent !== undefined && !isFieldValue(userAgent)) throw invalid('userAgent');
  return {
    ...(clientAddress === undefined ? {} : { 'x-forwarded-for': clientAddress }),
    ...(userAgent === undefined ? {} : { 'user-agent': userAgent }),
  };
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
  if (!isUsable(url)) throw invalid('url');
  return url;
};

/** Addresses below a base, which may have a path of its own. */
export const endpoint = (baseUrl: string): ((path: string) => string) => {
  const base = checkUrl(baseUrl).replace(/\/+$/, '');
  if (base.includes('?')) throw invalid('url');
  return (path) => base + path;
};
