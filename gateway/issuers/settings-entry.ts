/** Reads the fields of one entry of EXTERNAL_ISSUERS; problems go to `complain`, by field. */
import { readFileSync } from 'node:fs';
import { isLoopback } from '../../shared/address.js';
import { systemCodeOf } from '../../shared/describe-error.js';
import { isObject } from '../../shared/json.js';

export type IssuerEnv = { complain(text: string): unknown };
export type Entry = NonNullable<ReturnType<typeof readEntry>>;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** http is for an issuer on this machine; elsewhere anybody on the way could write our keys. */
const isFetchable = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return (
    protocol === 'https:' ||
    (protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')))
  );
};

/** One entry; undefined when it is none. Every problem is left with `env`, and quotes no value. */
export const readEntry = (value: unknown, at: number, env: IssuerEnv) => {
  const place = `EXTERNAL_ISSUERS[${at}]`;
  const complain = (field: string, text: string) =>
    void env.complain(`${place}${field === '' ? '' : `.${field}`} ${text}`);
  if (!isObject(value)) {
    complain('', 'must be an object.');
    return undefined;
  }

  /** May be empty: `"scope_prefix": ""` says something. */
  const text = (field: string): string | undefined => {
    const found = value[field];
    if (found === undefined || typeof found === 'string') return found;
    complain(field, 'must be a text.');
    return undefined;
  };

  const required = (field: string): string => {
    if (value[field] === undefined || value[field] === '') complain(field, 'is missing.');
    return text(field) ?? '';
  };

  /** One text or a list of them. */
  const texts = (field: string): string[] | undefined => {
    const found = value[field];
    if (found === undefined) return undefined;
    const list: unknown[] = Array.isArray(found) ? found : [found];
    if (list.length >= 1 && list.length <= 16 && list.every(isText)) return list;
    complain(field, 'must be a text, or a list of 1 to 16 of them.');
    return undefined;
  };

  const url = (field: string): string => {
    const found = required(field);
    if (found !== '' && !isFetchable(found))
      complain(field, 'must be an https URL without user and fragment (http on loopback only).');
    return found;
  };

  const oneOf = <T extends string>(field: string, values: readonly [T, ...T[]]): T => {
    const found = value[field] === undefined ? values[0] : values.find((v) => v === value[field]);
    if (found === undefined) complain(field, `must be one of ${values.join(', ')}.`);
    return found ?? values[0];
  };

  const readSecret = (field: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch (error) {
      const code = systemCodeOf(error) ?? 'unknown';
      complain(field, `cannot be read (${code}).`);
      return '?';
    }
  };

  /** `field`, or `field_file` with the path of a file that has it. */
  const secret = (field: string): string => {
    const path = text(`${field}_file`);
    const plain = text(field);
    if (path && plain) complain(field, `or ${field}_file, not both.`);
    const found = path ? readSecret(`${field}_file`, path) : plain;
    if (!found) complain(field, `(or ${field}_file) is missing.`);
    return found ?? '';
  };

  const has = (field: string): boolean => value[field] !== undefined;
  return {
    complain,
    has,
    text,
    required,
    texts,
    url,
    oneOf,
    secret,
    names: () => Object.keys(value),
  };
};
