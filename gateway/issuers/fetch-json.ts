/**
 * One HTTP call to an issuer: no redirect is followed, at most `maxBytes` are read, and the answer is
 * 200 with one JSON object or it is no answer. What comes back is an outside party's text: neither it
 * nor the errors of its parser, which quote it, get into a message.
 */
import { isObject } from '../../shared/json.js';
import { unavailable } from './unavailable.js';

export type Answer = Readonly<Record<string, unknown>>;

const maxBytes = 128 * 1024;
const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

const readText = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop closes the connection.
    if (size > maxBytes) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
};

const parse = (text: string): Answer => {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Falls through: the cause would quote the answer.
  }
  throw new Error('the answer is not a JSON object');
};

const faultOf = ({ status, headers }: Response): string | undefined => {
  if (status !== 200) return `the answer has status ${status}`;
  const isJson = jsonType.test(headers.get('content-type') ?? '');
  return isJson ? undefined : 'the answer is not of a JSON type';
};

/**
 * Throws a plain Error that says what was wrong; the signal of `init` bounds all of it. A status of
 * `undecided` says nothing about the issuer's health: that is thrown as issuer_unavailable.
 */
export const fetchJson = async (
  url: string,
  init: RequestInit,
  undecided: readonly number[] = [],
): Promise<Answer> => {
  const response = await fetch(url, { ...init, redirect: 'manual' });
  const { status, body } = response;
  const fault = faultOf(response);
  if (fault === undefined && body !== null) return parse(await readText(body));
  // Unread, it would keep its connection.
  await body?.cancel().catch(() => {});
  if (undecided.includes(status)) throw unavailable(`status ${status}`);
  throw new Error(fault ?? 'the answer is empty');
};
