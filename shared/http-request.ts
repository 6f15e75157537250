/**
 * Reading a request safely: the head is checked for what Node hides (dropped lines, silent
 * duplicates), the body for its type and size. Throws AppError; reads nothing it has refused.
 */
import type { IncomingMessage } from 'node:http';
import { AppError } from './errors.js';

const maxHeaderLines = 100;
const maxBodyBytes = 16 * 1024;

export const bad = (reason: NonNullable<AppError['reason']>, field?: string) =>
  new AppError('bad_request', field === undefined ? { reason } : { reason, field });

/**
 * Node drops header lines past its own limit and keeps the first of some duplicates without a word;
 * both hide what an intermediary may have read, so they are counted and refused here.
 */
export const checkHead = (req: IncomingMessage) => {
  const raw = req.rawHeaders;
  if (raw.length > 2 * maxHeaderLines) throw new AppError('headers_too_large');
  let hosts = 0;
  let types = 0;
  let authorizations = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length === 4) {
      if (name.toLowerCase() === 'host') hosts++;
    } else if (name.length === 12) {
      if (name.toLowerCase() === 'content-type') types++;
    } else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations++;
  }
  const host = req.headers.host;
  if (hosts !== 1 || host === undefined || /[,/\s@]/.test(host)) throw bad('host');
  if (types > 1) throw bad('duplicate_header', 'Content-Type');
  if (authorizations > 1) throw bad('duplicate_header', 'Authorization');
  if (req.headers['transfer-encoding'] !== undefined && req.headers['content-length'] !== undefined)
    throw bad('framing');
  if (req.url?.charCodeAt(0) !== 47) throw bad('target');
};

const mediaTypes = {
  json: /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i,
  lines: /^application\/x-ndjson\s*$/i,
  form: /^application\/x-www-form-urlencoded\s*(;\s*charset="?utf-8"?\s*)?$/i,
};

/** Throws unsupported_media_type, also for a body that is compressed. */
export const checkMediaType = (req: IncomingMessage, kind: keyof typeof mediaTypes) => {
  const isRight = mediaTypes[kind].test(req.headers['content-type'] ?? '');
  if (!isRight || req.headers['content-encoding'] !== undefined)
    throw new AppError('unsupported_media_type', { reason: `${kind}_required` });
};

/** Says that its body has at most 16 KiB. */
export const isSmall = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] === undefined &&
  Number(headers['content-length'] ?? 0) <= maxBodyBytes;

/** The whole body, or undefined when the client left while sending it. */
export const readBody = (
  req: IncomingMessage,
  maxBytes = maxBodyBytes,
): Promise<Buffer | undefined> =>
  new Promise((resolve, reject) => {
    if (Number(req.headers['content-length'] ?? 0) > maxBytes)
      return reject(new AppError('payload_too_large'));
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) return reject(new AppError('payload_too_large'));
      chunks.push(chunk);
    });
    req.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    req.once('error', () => resolve(undefined));
    req.once('close', () => resolve(undefined));
  });
