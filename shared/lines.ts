/**
 * Bodies of many records: NDJSON, one object per line. They come from whoever may call the admin port,
 * and from there to the nodes; each line is read by itself, so that one bad line is one bad record.
 */
import { AppError } from './errors.js';
import { decodeUtf8, isObject } from './json.js';

export const linesType = 'application/x-ndjson';

/** Not empty at the end. Throws bad_request for bytes that are not UTF-8. */
export const parseLines = (bytes: Uint8Array): { lines: string[] } => {
  const lines = decodeUtf8(bytes).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { lines };
};

/** The lines of a body that `parseLines` made. */
export const linesOf = ({ lines }: Record<string, unknown>): string[] => {
  if (!Array.isArray(lines)) throw new AppError('internal', { detail: 'not a body of lines' });
  return lines.map(String);
};

/** The object in a line, or undefined. */
export const parseLine = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};
