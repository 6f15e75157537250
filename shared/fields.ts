/**
 * Takes the fields of a request body apart: only known fields, only well-formed strings, nothing
 * coerced, missing ones named. A spec says which fields a call has: `{ username: true, scope: false }`
 * means username is required and scope may be left out.
 */
import { AppError } from './errors.js';

type Spec = Record<string, boolean>;
type Fields<S extends Spec> = { [K in keyof S]: S[K] extends true ? string : string | undefined };

const maxPasswordBytes = 4096;
const maxScopeChars = 1024;
/** Visible ASCII but " and \, one space between two. */
const scopesForm = /^(?:[!#-[\]-~]+(?: [!#-[\]-~]+)*)?$/;

/** AppError bad_request that names the field. */
export const invalidField = (field: string): AppError =>
  new AppError('bad_request', { reason: 'field_invalid', field });

const readField = (name: string, value: unknown, isRequired: boolean): string | undefined => {
  if (value === undefined) {
    if (isRequired) throw new AppError('bad_request', { reason: 'missing_field', field: name });
    return undefined;
  }
  if (typeof value !== 'string')
    throw new AppError('bad_request', { reason: 'not_string', field: name });
  if (!value.isWellFormed())
    throw new AppError('bad_request', { reason: 'ill_formed', field: name });
  return value;
};

const hasFields = <S extends Spec>(value: object, spec: S): value is Fields<S> =>
  Object.keys(spec).every((name) => name in value);

/** The fields of `spec`, or AppError bad_request naming the first that is wrong. */
export const readFields = <const S extends Spec>(
  body: Record<string, unknown>,
  spec: S,
): Fields<S> => {
  for (const name in body)
    if (!Object.hasOwn(spec, name)) throw new AppError('bad_request', { reason: 'unknown_field' });
  const fields: Record<string, string | undefined> = {};
  for (const name in spec) fields[name] = readField(name, body[name], spec[name] === true);
  if (!hasFields(fields, spec)) throw new AppError('internal');
  return fields;
};

/** A field that is true or false; left out is false. */
export const readFlag = (body: Record<string, unknown>, name: string): boolean => {
  const value = body[name];
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw new AppError('bad_request', { reason: 'not_boolean', field: name });
};

/** The one of `values` that the text is, or AppError bad_request. */
export const readOneOf = <const T extends string>(
  field: string,
  text: string,
  values: readonly T[],
): T => {
  const found = values.find((value) => value === text);
  if (found === undefined) throw invalidField(field);
  return found;
};

/** Scopes as records hold them (RFC 6749 § 3.3), perhaps none. */
export const isScopes = (text: string): boolean =>
  text.length <= maxScopeChars && scopesForm.test(text);

/** A password as sent: 1 to 4,096 bytes. What a new one must fulfil is the worker's policy. */
export const checkPassword = (field: string, password: string): void => {
  if (password === '') throw new AppError('bad_request', { reason: 'missing_field', field });
  if (Buffer.byteLength(password) > maxPasswordBytes)
    throw new AppError('bad_request', { reason: 'password_too_long', field });
};
