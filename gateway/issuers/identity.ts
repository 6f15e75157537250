/**
 * What another issuer says about a token → who that is to those behind us. Everything gets a prefix
 * that no user, client or scope of ours can have: `ext:<issuer>:<sub>`. Names are bounded and have no
 * control characters; how they are written into a header is the business of the route.
 */
import { AppError } from '../../shared/errors.js';
import { invalid } from '../tokens/invalid.js';
import { isTime, skewSeconds } from '../tokens/life.js';
import type { IssuerSettings } from './settings.js';

type Claims = Readonly<Record<string, unknown>>;

/** As of one of our own tokens, as far as others have it: no session of ours. */
export type External = {
  readonly sub: string;
  readonly sid: '';
  readonly scope: string;
  readonly clientId: string;
};

const maxName = 256;
const maxScope = 4096;
const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

const readName = (value: unknown, what: string): string => {
  if (typeof value !== 'string' || value === '' || value.length > maxName) throw invalid(what);
  if (!value.isWellFormed() || /\p{Cc}/u.test(value)) throw invalid(what);
  return value;
};

/** `scope` (RFC 9068, RFC 7662), or `scp` where that is a list. */
const readScopes = ({ scope, scp }: Claims): string[] => {
  const found: unknown = scope ?? scp ?? '';
  const list: unknown[] = typeof found === 'string' ? found.split(' ') : [found].flat();
  return list.filter((one): one is string => typeof one === 'string' && scopeForm.test(one));
};

const readScope = (claims: Claims, prefix: string): string => {
  const scope = readScopes(claims)
    .map((one) => prefix + one)
    .join(' ');
  if (scope.length > maxScope) throw invalid('scope too long');
  return scope;
};

/** Seconds since 1970, or undefined where the issuer names no end. Throws token_expired. */
const readEnd = ({ exp, iat, nbf }: Claims, nowSeconds: number): number | undefined => {
  const isFuture = (time: unknown) => !isTime(time) || time > nowSeconds + skewSeconds;
  if (iat !== undefined && isFuture(iat)) throw invalid('iat');
  if (nbf !== undefined && isFuture(nbf)) throw invalid('nbf');
  if (exp === undefined) return undefined;
  if (!isTime(exp)) throw invalid('exp');
  if (exp <= nowSeconds) throw new AppError('token_expired');
  return exp;
};

/** Keycloak and Hydra say in the claims what else a token may be: a refresh or an ID token. */
const isAccessToken = ({ typ, token_use: use, at_hash: ofId, c_hash: ofIdToo }: Claims): boolean =>
  (typ === undefined || (typeof typ === 'string' && /^(bearer|at\+jwt|jwt)$/i.test(typ))) &&
  (use === undefined || use === 'access_token' || use === 'access') &&
  ofId === undefined &&
  ofIdToo === undefined;

/**
 * The claims are confirmed (signature or answer), but may say anything. Throws token_invalid or
 * token_expired. `endSeconds` is undefined where the issuer names no end.
 */
export const readExternal = (
  claims: Claims,
  { name, scopePrefix }: IssuerSettings,
  nowMs: number,
): { external: External; endSeconds: number | undefined } => {
  const endSeconds = readEnd(claims, Math.floor(nowMs / 1000));
  if (!isAccessToken(claims)) throw invalid('not an access token');
  // Bound to a key of its holder (RFC 8705, RFC 9449); who only shows it proves nothing.
  if (claims.cnf !== undefined) throw invalid('cnf');
  const given = claims.client_id ?? claims.azp;
  const client = given === undefined ? '' : readName(given, 'client_id');
  // A client that acts for itself may have no subject, and must not become a user of the same name.
  const isClient = claims.sub === undefined && client !== '';
  const sub = isClient
    ? `ext-client:${name}:${client}`
    : `ext:${name}:${readName(claims.sub, 'sub')}`;
  const clientId = client === '' ? '' : `ext:${name}:${client}`;
  const external: External = { sub, sid: '', scope: readScope(claims, scopePrefix), clientId };
  return { external, endSeconds };
};
