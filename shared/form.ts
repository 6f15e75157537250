/**
 * Strict application/x-www-form-urlencoded for request bodies: fatal UTF-8 before and behind the
 * percent signs, ≤ 32 parameters, none twice, because the first and the last of two would be two
 * requests in one text.
 */
import { AppError, type Reason } from './errors.js';
import { decodeUtf8 } from './json.js';

const maxParameters = 32;

const refuse = (reason: Reason) => new AppError('bad_request', { reason });

/** One name or value of a form (also RFC 6749 § 2.3.1); undefined when it is not well encoded. */
export const decodeFormPart = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
};

/** The parameters by name, or AppError bad_request with the reason. */
export const parseForm = (bytes: Uint8Array): Record<string, string> => {
  // No prototype, so that a parameter of any name is only a parameter.
  const fields: Record<string, string> = Object.create(null);
  const pairs = decodeUtf8(bytes)
    .split('&')
    .filter((pair) => pair !== '');
  if (pairs.length > maxParameters) throw refuse('too_many_keys');
  for (const pair of pairs) {
    const mark = pair.indexOf('=');
    const name = decodeFormPart(mark === -1 ? pair : pair.slice(0, mark));
    const value = decodeFormPart(mark === -1 ? '' : pair.slice(mark + 1));
    if (name === undefined || value === undefined) throw refuse('not_form');
    if (name in fields) throw refuse('duplicate_key');
    fields[name] = value;
  }
  return fields;
};
