/**
 * The parameters of one kind as text, one spelling for each: `k=v,k=v` in the order of the kind's
 * fields, numbers in decimal, bytes in base64 without padding. Knows no table of kinds, so that a kind
 * which holds another one can use it.
 */
import { readBase64, readDecimal } from '../formats/strict.js';
import type { FieldType, Kind, Params } from './recipe.js';

/** Standard, without padding: the one spelling of bytes in stored texts. */
export const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('base64').replace(/=+$/, '');

const writeValue = (value: number | string | Uint8Array | undefined): string =>
  value instanceof Uint8Array ? toBase64(value) : String(value);

const readValue = (text: string, type: FieldType): number | string | Uint8Array | undefined => {
  if (type === 'int') return readDecimal(text);
  if (type === 'bytes') return readBase64(text);
  if (type === 'key') return /^(-|[a-z0-9][a-z0-9_-]{0,7})$/.test(text) ? text : undefined;
  return /^[a-z0-9-]{1,32}$/.test(text) ? text : undefined;
};

/** `k=v,k=v`, in the order of the kind's fields. */
export const writeParams = (kind: Kind, params: Params): string =>
  Object.keys(kind.fields)
    .map((name) => `${name}=${writeValue(params[name])}`)
    .join(',');

/** Undefined unless it is exactly what `writeParams` writes for that kind. */
export const readParams = (kind: Kind, text: string): Params | undefined => {
  const names = Object.entries(kind.fields);
  const parts = text.split(',');
  if (parts.length !== names.length) return undefined;
  const params: Record<string, Params[string]> = {};
  for (const [index, [name, type]] of names.entries()) {
    const part = parts[index] ?? '';
    if (!part.startsWith(`${name}=`)) return undefined;
    const value = readValue(part.slice(name.length + 1), type);
    if (value === undefined) return undefined;
    params[name] = value;
  }
  return params;
};

/** The ids in the kind's own fields. */
export const keyIdsIn = ({ fields }: Kind, params: Params): string[] => {
  const ids: string[] = [];
  for (const name in fields) {
    const id = params[name];
    if (fields[name] === 'key' && typeof id === 'string' && id !== '-') ids.push(id);
  }
  return ids;
};
