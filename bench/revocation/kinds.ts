/**
 * Every way a token can end before its time, as bytes of a request, and the sign-ins before it. What
 * ends is always the access token of the first session.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../wire.js';
import type { Edge } from './edges.js';

export type SignedIn = { access: string; refresh: string; sessionId: string };
export type Kind = keyof typeof kinds;
type Given = { mine: SignedIn; other: SignedIn; password: string };

const maxTries = 200;
const pauseMs = 50;

const request = (method: string, path: string, lines: string[], body = ''): string =>
  [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    ...lines,
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');

const bearer = ({ access }: SignedIn): string => `Authorization: Bearer ${access}`;
const json = 'Content-Type: application/json';
const form = 'Content-Type: application/x-www-form-urlencoded';

const revoke = (token: string): string =>
  request('POST', '/oauth/revoke', [form], `client_id=floodgate&token=${token}`);

export const revokeFamily = ({ refresh }: SignedIn): string => revoke(refresh);

/** `sessions`: how many the account needs. */
export const kinds = {
  logout: {
    sessions: 1,
    end: ({ mine }: Given) => request('POST', '/v1/logout', [bearer(mine), json], '{}'),
  },
  'a session ended by another': {
    sessions: 2,
    end: ({ mine, other }: Given) =>
      request('DELETE', `/v1/sessions/${mine.sessionId}`, [bearer(other)]),
  },
  'all sessions ended': {
    sessions: 1,
    end: ({ mine }: Given) => request('DELETE', '/v1/sessions', [bearer(mine)]),
  },
  'refresh token revoked': { sessions: 1, end: ({ mine }: Given) => revokeFamily(mine) },
  'access token revoked': { sessions: 1, end: ({ mine }: Given) => revoke(mine.access) },
  'password changed': {
    sessions: 1,
    end: ({ mine, password }: Given) => {
      const passwords = { current_password: password, new_password: `${password} again` };
      return request('POST', '/v1/password', [bearer(mine), json], JSON.stringify(passwords));
    },
  },
};

const busy = [429, 503, 504];

/** Again while the machine is too busy; throws at any other refusal. */
export const insist = async (edge: Edge, text: string): Promise<Answer> => {
  for (let tries = 0; tries < maxTries; tries++) {
    const answer = await edge.act(text);
    if (answer.status < 300) return answer;
    if (!busy.includes(answer.status)) throw new Error(`refused: ${answer.text}`);
    await sleep(pauseMs);
  }
  throw new Error('everything is refused');
};

export const signIn = async (edge: Edge, login: string): Promise<SignedIn> => {
  const { text } = await insist(edge, login);
  const body: Record<string, unknown> = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
  const { access_token, refresh_token, session_id } = body;
  return {
    access: String(access_token),
    refresh: String(refresh_token),
    sessionId: String(session_id),
  };
};
