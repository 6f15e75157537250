/**
 * What the API answers, in the names of this language, and the only places where an answer's fields
 * are believed: each reader throws bad_answer when one is missing or of another type.
 */
import type { Answer, Fields } from './answer.js';
import { isFields } from './answer.js';
import { FloodgateError } from './errors.js';

export type User = { userId: string; username: string };

/**
 * Tokens of a session. `expiresIn`: seconds, from when the call was made. `expiresAt`: the same as a time
 * of this client's clock, in milliseconds since 1970.
 */
export type Tokens = {
  accessToken: string;
  expiresIn: number;
  expiresAt: number;
  refreshToken: string;
  sessionId: string;
  userId: string;
  scope: string;
};

/** `deviceToken`: send it with later logins; a known device keeps its place in a full queue. */
export type Login = Tokens & { deviceToken: string | undefined };

export type Identity = { userId: string; sessionId: string; scope: string; clientId: string };

/** Times as the server writes them: ISO 8601, UTC. */
export type Session = {
  sessionId: string;
  createdAt: string;
  lastUsedAt: string;
  clientAddress: string;
  userAgent: string;
  current: boolean;
};

export type AccessToken = { accessToken: string; expiresAt: number };

const badAnswer = (status: number) =>
  new FloodgateError('bad_answer', { status, mayHaveRun: true });

const createReader = (fields: Fields, status: number) => ({
  text: (name: string): string => {
    const value = fields[name];
    if (typeof value !== 'string') throw badAnswer(status);
    return value;
  },
  optional: (name: string): string | undefined => {
    const value = fields[name];
    return typeof value === 'string' ? value : undefined;
  },
  seconds: (name: string): number => {
    const value = fields[name];
    if (typeof value !== 'number' || !(value > 0)) throw badAnswer(status);
    return value;
  },
});

/** Its life began at the server, no earlier than the request was sent. */
const readLife = ({ fields, status, sentAt }: Answer) => {
  const expiresIn = createReader(fields, status).seconds('expires_in');
  return { expiresIn, expiresAt: Math.floor(sentAt + expiresIn * 1000) };
};

/** What registering answers. All readers here throw bad_answer for another shape. */
export const readUser = ({ fields, status }: Answer): User => {
  const { text } = createReader(fields, status);
  return { userId: text('user_id'), username: text('username') };
};

/** A session's pair of tokens. */
export const readTokens = (answer: Answer): Tokens => {
  const { text } = createReader(answer.fields, answer.status);
  return {
    accessToken: text('access_token'),
    ...readLife(answer),
    refreshToken: text('refresh_token'),
    sessionId: text('session_id'),
    userId: text('user_id'),
    scope: text('scope'),
  };
};

/** The same, and the mark of this device. */
export const readLogin = (answer: Answer): Login => {
  const { optional } = createReader(answer.fields, answer.status);
  return { ...readTokens(answer), deviceToken: optional('device_token') };
};

/** RFC 6749 § 5.1. */
export const readAccessToken = (answer: Answer): AccessToken => {
  const { text } = createReader(answer.fields, answer.status);
  if (text('token_type').toLowerCase() !== 'bearer') throw badAnswer(answer.status);
  return { accessToken: text('access_token'), expiresAt: readLife(answer).expiresAt };
};

/** In a browser of another origin these headers are seen only where the server exposes them. */
export const readIdentity = ({ headers, status }: Answer): Identity => {
  const userId = headers.get('x-auth-user');
  if (userId === null) throw badAnswer(status);
  return {
    userId,
    sessionId: headers.get('x-auth-session') ?? '',
    scope: headers.get('x-auth-scope') ?? '',
    clientId: headers.get('x-auth-client') ?? '',
  };
};

const readSession = (fields: Fields, status: number): Session => {
  const { text } = createReader(fields, status);
  return {
    sessionId: text('session_id'),
    createdAt: text('created_at'),
    lastUsedAt: text('last_used_at'),
    clientAddress: text('client_address'),
    userAgent: text('user_agent'),
    current: fields.current === true,
  };
};

/** The sessions of a user, the last used first. */
export const readSessions = ({ fields, status }: Answer): Session[] => {
  const { sessions } = fields;
  if (!Array.isArray(sessions) || !sessions.every(isFields)) throw badAnswer(status);
  return sessions.map((session) => readSession(session, status));
};
