/**
 * Session ids: `<u>.<128 random bits>`, both in 22 characters of base64url. The last character carries
 * two of the bits and has room for more; there a critical session carries its mark. So everybody who
 * holds an id knows where its record lives, also when the main store, which could tell, is down.
 */
import { newId } from '../../shared/new-id.js';
import { retainedMs } from '../tokens/life.js';

/** The last character of 16 bytes in base64url is one of the first row; a mark makes it the second. */
const plain = 'AQgw';
const marked = 'BRhx';

const ownForm = /^[\w-]{22}\.[\w-]{22}$/;

/** The random part of a new session's id; `isMarked`: of a critical one. */
export const newSession = (isMarked = false): string => {
  const text = newId();
  if (!isMarked) return text;
  return text.slice(0, -1) + marked.charAt(plain.indexOf(text.slice(-1)));
};

/** Whether this session is held by the backup store too. */
export const isCritical = (sessionId: string): boolean =>
  sessionId.length === 45 && marked.includes(sessionId.slice(-1));

/** Account key and random part, of an id that is one. */
export const splitId = (sessionId: string): { u: string; id: string } => {
  const [u = '', id = ''] = sessionId.split('.');
  return { u, id };
};

/** `<u>.<id>` of a refresh token or a cookie, whose form nobody has looked at yet. */
export const sessionIdOf = (token: string): string => token.split('.', 2).join('.');

/** True for what may be the id of a session of account `u`, whether there is one or not. */
export const isSessionOf = (u: string, sessionId: string): boolean =>
  ownForm.test(sessionId) && sessionId.startsWith(`${u}.`);

/** The life of its last access token and a minute: longer, nobody needs to hear of its end. */
export const goneMs = retainedMs;

/** Limits of sessions are up to this share shorter than promised. */
export const spread = 0.05;

/**
 * A duration less up to `share` of it, the same for one session at any time and spread evenly over
 * all: sessions that a crowd opened in one second do not end in one second.
 */
export const shorten = (id: string, ms: number, share: number): number => {
  const part = Buffer.from(id.slice(0, 4), 'base64url').readUInt16BE(0) / 65_536;
  return Math.max(1, Math.floor(ms * (1 - share * part)));
};
