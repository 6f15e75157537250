/**
 * How a client says who it is (RFC 6749 § 2.3, RFC 7521 § 4.2), taken from a request without judging
 * it: HTTP Basic, secret in the form, a signed assertion, or only its id. More than one way at a time
 * is refused, because two readers could each believe another one.
 */
import type { IncomingMessage } from 'node:http';
import { AppError, type Reason } from '../../shared/errors.js';
import { decodeFormPart } from '../../shared/form.js';
import type { Params } from '../oauth.js';

export type Presented =
  | { method: 'client_secret_basic' | 'client_secret_post'; id: string; secret: string }
  /** Whoever it says it is, inside. */
  | { method: 'private_key_jwt'; id: string | undefined; assertion: string }
  | { method: 'none'; id: string };

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const basicForm = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;
const decoder = new TextDecoder('utf-8', { fatal: true });

const invalid = (reason: Reason, field?: string) =>
  new AppError('invalid_request', field === undefined ? { reason } : { reason, field });

const decodeUtf8 = (base64: string): string => {
  try {
    return decoder.decode(Buffer.from(base64, 'base64'));
  } catch {
    throw invalid('client_header');
  }
};

const readBasic = (header: string, clientId: string | undefined): Presented => {
  if (!/^basic\b/i.test(header)) throw new AppError('invalid_client', { challenge: 'basic' });
  const pair = decodeUtf8(basicForm.exec(header)?.[1] ?? '');
  const colon = pair.indexOf(':');
  if (colon === -1) throw invalid('client_header');
  const id = decodeFormPart(pair.slice(0, colon));
  const secret = decodeFormPart(pair.slice(colon + 1));
  if (id === undefined || secret === undefined) throw invalid('client_header');
  if (clientId !== undefined && clientId !== id) throw invalid('client_mismatch');
  return { method: 'client_secret_basic', id, secret };
};

const readAssertion = (params: Params): Presented => {
  const { client_id: id, client_assertion: assertion, client_assertion_type: type } = params;
  if (assertion === undefined) throw invalid('missing_field', 'client_assertion');
  if (type === undefined) throw invalid('missing_field', 'client_assertion_type');
  if (type !== assertionType) throw new AppError('invalid_client');
  return { method: 'private_key_jwt', id, assertion };
};

/** Throws invalid_request, or invalid_client when there is nothing to go by. */
export const readCredentials = (req: IncomingMessage, params: Params): Presented => {
  const { authorization } = req.headers;
  const { client_id: id, client_secret: secret } = params;
  const hasAssertion =
    params.client_assertion !== undefined || params.client_assertion_type !== undefined;
  const ways = [authorization !== undefined, secret !== undefined, hasAssertion];
  if (ways.filter(Boolean).length > 1) throw invalid('client_methods');
  if (authorization !== undefined) return readBasic(authorization, id);
  if (hasAssertion) return readAssertion(params);
  if (secret !== undefined && id === undefined) throw invalid('missing_field', 'client_id');
  if (id === undefined) throw new AppError('invalid_client');
  return secret === undefined
    ? { method: 'none', id }
    : { method: 'client_secret_post', id, secret };
};
