/**
 * The access token of a program (RFC 6749 § 4.4), renewed by itself. The program proves who it is with
 * its secret in the Authorization header (client_secret_basic), or with an assertion that it signs
 * (private_key_jwt, RFC 7523), a new one for each attempt.
 *
 *   const source = createClientCredentials({ baseUrl, clientId, clientSecret, scope: 'orders' });
 *   fetch(url, { headers: { authorization: `Bearer ${await source.getToken()}` } });
 */
import type { Request } from './answer.js';
import { checkUrl, endpoint } from './arguments.js';
import { type CallerOptions, createCaller } from './caller.js';
import { createClock } from './clock.js';
import { FloodgateError } from './errors.js';
import { createBackoff } from './retry.js';
import { readAccessToken } from './shapes.js';
import { createTokenSource } from './token-source.js';

export type ClientCredentialsOptions = CallerOptions & {
  clientId: string;
  scope?: string;
  /** ISSUER of the gateway, of which signed assertions speak, where that is not `baseUrl`. */
  issuer?: string;
} & ({ baseUrl: string } | { tokenEndpoint: string }) &
  (
    | { clientSecret: string }
    /** Signs a JWT with iss = sub = client id, this audience, a `jti` of its own and a near `exp`. */
    | { signAssertion: (about: { clientId: string; audience: string }) => Promise<string> | string }
  );

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** RFC 6749 § 2.3.1: both parts are form-encoded before they are joined. */
const formEncoded = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2);

const basic = (clientId: string, secret: string): string =>
  `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(secret)}`)}`;

export const createClientCredentials = (options: ClientCredentialsOptions) => {
  const { clientId, scope, now = createClock(), random = Math.random } = options;
  const url =
    'tokenEndpoint' in options
      ? checkUrl(options.tokenEndpoint)
      : endpoint(options.baseUrl)('/oauth/token');
  const { issuer } = options;
  const audience = issuer === undefined ? url : endpoint(issuer)('/oauth/token');
  const call = createCaller({ ...options, now });
  const grant = { grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) };

  const proofOf = async (): Promise<Record<'headers' | 'form', Record<string, string>>> => {
    if ('clientSecret' in options)
      return { headers: { authorization: basic(clientId, options.clientSecret) }, form: {} };
    try {
      const assertion = await options.signAssertion({ clientId, audience });
      return {
        headers: {},
        form: { client_assertion_type: assertionType, client_assertion: assertion },
      };
    } catch (cause) {
      throw new FloodgateError('not_signed', { cause });
    }
  };

  const request = async (): Promise<Request> => {
    const { headers, form } = await proofOf();
    return {
      method: 'POST',
      url,
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
      body: new URLSearchParams({ ...grant, ...form }).toString(),
    };
  };

  const source = createTokenSource({
    backoff: createBackoff({ random }),
    now,
    random,
    renew: async () =>
      readAccessToken(await call({ lane: 'session', rule: 'idempotent', request })),
  });

  return {
    /** A token that is good now; renewals are shared. Throws FloodgateError. */
    getToken: ({ signal }: { signal?: AbortSignal } = {}): Promise<string> => source.get(signal),
    /** After a 401 from a resource server: this token is not handed out again. */
    discard: source.discard,
  };
};
