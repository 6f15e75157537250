/**
 * Strict JSON for request bodies: fatal UTF-8, one object, depth ≤ 8, ≤ 32 keys, no key twice.
 * JSON.parse accepts duplicate keys (the last wins), which lets two readers see two requests in one
 * text; the scan below runs over text that JSON.parse has already accepted, so it can be simple.
 */
import { AppError, type Reason } from './errors.js';

const maxDepth = 8;
const maxKeys = 32;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const refuse = (reason: Reason) => new AppError('bad_request', { reason });

/** Index just past the string that opens at `start`. The text is known to be valid JSON. */
const endOfString = (text: string, start: number): number => {
  let at = start + 1;
  while (text.charCodeAt(at) !== 34) at += text.charCodeAt(at) === 92 ? 2 : 1;
  return at + 1;
};

const keyOf = (text: string, start: number, end: number): string | undefined => {
  let at = end;
  while (text.charCodeAt(at) <= 32) at++;
  return text.charCodeAt(at) === 58 ? JSON.parse(text.slice(start, end)) : undefined;
};

/** One walk over the text: counts depth and keys, remembers the keys of each open object. */
const checkShape = (text: string) => {
  const open: Set<string>[] = [];
  let keys = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 123 || char === 91) open.push(new Set());
    else if (char === 125 || char === 93) open.pop();
    else if (char === 34) {
      const end = endOfString(text, at);
      const key = keyOf(text, at, end);
      if (key !== undefined && open.at(-1)?.has(key)) throw refuse('duplicate_key');
      if (key !== undefined && ++keys > maxKeys) throw refuse('too_many_keys');
      if (key !== undefined) open.at(-1)?.add(key);
      at = end - 1;
    }
    if (open.length > maxDepth) throw refuse('too_deep');
  }
};

/** A JSON object: neither null nor a list. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws bad_request for bytes that are not UTF-8. */
export const decodeUtf8 = (bytes: Uint8Array): string => {
  try {
    return decoder.decode(bytes);
  } catch {
    throw refuse('not_utf8');
  }
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    // The cause is dropped on purpose: V8's message quotes the body.
    throw refuse('not_json');
  }
};

/** One JSON object, or AppError bad_request with the reason. Fields keep their types: no coercion. */
export const parseJson = (bytes: Uint8Array): Record<string, unknown> => {
  const text = decodeUtf8(bytes);
  const value = parse(text);
  if (!isObject(value)) throw refuse('not_object');
  checkShape(text);
  return value;
};

/** An object whose values are all texts. */
export const isTexts = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((each) => typeof each === 'string');
