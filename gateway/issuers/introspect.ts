/**
 * Asks an issuer about a token (RFC 7662), as the client that it knows us as. "Not active" is an
 * answer; anything that is not a proper answer, a refusal of ourselves included, is none.
 */
import { invalid } from '../tokens/invalid.js';
import { type Answer, fetchJson } from './fetch-json.js';
import type { Line } from './line.js';
import type { IntrospectionIssuer } from './settings.js';

/** As in RFC 6749 § 2.3.1: form-encoded before it becomes a user name or a password. */
const formEncode = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);

const requestOf = ({ clientId, clientSecret, clientAuth }: IntrospectionIssuer) => {
  const isBasic = clientAuth === 'basic';
  const pair = `${formEncode(clientId)}:${formEncode(clientSecret)}`;
  const headers = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    ...(isBasic ? { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } : {}),
  };
  const fields = isBasic ? {} : { client_id: clientId, client_secret: clientSecret };
  return (token: string) => ({
    method: 'POST',
    headers,
    body: new URLSearchParams({ token, token_type_hint: 'access_token', ...fields }).toString(),
  });
};

const hasAudience = (aud: unknown, wanted: readonly string[]): boolean =>
  wanted.length === 0 || [aud].flat().some((one) => wanted.some((name) => name === one));

/** Some refuse a token that they cannot read so; five of those must not cut everybody off. */
const undecided = [400, 413, 422];

/** Some name the kind of token here; a refresh token must not open what an access token does. */
const isBearer = (type: unknown): boolean =>
  type === undefined || (typeof type === 'string' && /^(bearer|access_token)$/i.test(type));

export const createIntrospection = ({
  settings,
  line,
}: {
  settings: IntrospectionIssuer;
  line: Pick<Line, 'call'>;
}) => {
  const { introspectionUrl, issuer, audience } = settings;
  const request = requestOf(settings);

  const ask = (token: string): Promise<Answer> =>
    line.call(async (signal) => {
      const answer = await fetchJson(introspectionUrl, { ...request(token), signal }, undecided);
      if (typeof answer.active !== 'boolean') throw new Error('the answer has no "active"');
      return answer;
    });

  /** The claims of a token that is active. Throws token_invalid, or issuer_unavailable. */
  return async (token: string): Promise<Answer> => {
    const { active, ...claims } = await ask(token);
    if (!active) throw invalid('not active');
    if (claims.iss !== undefined && claims.iss !== issuer) throw invalid('iss');
    if (!hasAudience(claims.aud, audience)) throw invalid('aud');
    if (!isBearer(claims.token_type)) throw invalid('token_type');
    return claims;
  };
};
