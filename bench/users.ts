/**
 * Accounts for a bench, made the way an operator imports them: through the admin port, with one
 * stored hash. All share a password; they are distinct accounts, so nothing is coalesced.
 */
import { hashSync } from '@node-rs/argon2';
import type { Fleet } from './fleet.js';

export type Users = { names: string[]; password: string; hash: string };

const together = 8;

/** The default cost (design § 7). */
export const hashOptions = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** On a machine that is busy starting things, the first answers may be "not now". */
const tries = 20;

export type Row = { username: string; hash: string; status?: 'disabled' };

const importUser = async ({ admin }: Fleet, body: Row): Promise<void> => {
  const { status, tried } = await admin('POST', '/users', { body, tries, also: [409] });
  // Else an earlier try was written, and its answer lost.
  if (status === 409 && tried === 1) throw new Error(`there is a user ${body.username}`);
};

/** One call of the admin port for each. */
export const importUsers = async (fleet: Fleet, rows: readonly Row[]): Promise<void> => {
  const queue = rows.values();
  const work = async () => {
    for (const row of queue) await importUser(fleet, row);
  };
  await Promise.all(Array.from({ length: together }, work));
};

/** The password of every account of a bench. */
export const password = 'correct horse battery staple';

export const createUsers = async (
  fleet: Fleet,
  count: number,
  cost = hashOptions,
): Promise<Users> => {
  const hash = hashSync(password, cost);
  const names = Array.from({ length: count }, (_, i) => `bench-user-${i}`);
  await importUsers(
    fleet,
    names.map((username) => ({ username, hash })),
  );
  return { names, password, hash };
};

/** The bytes of one login; `more`: further header lines. */
export const loginRequest = (username: string, password: string, more = ''): string => {
  const body = JSON.stringify({ username, password });
  return (
    'POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
    `${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
};

/** The bytes of a login, ready to be sent. */
export const loginRequests = ({ names, password }: Users): string[] =>
  names.map((name) => loginRequest(name, password));

/**
 * Logins of clients at as many addresses, each in a network of its own (up to 62,500), as a trusted
 * proxy forwards them: no two share a limit of the gateway.
 */
export const forwardedLogins = ({ names, password }: Users): string[] =>
  names.map((name, i) => {
    const address = `10.${Math.floor(i / 250) % 250}.${i % 250}.7`;
    return loginRequest(name, password, `X-Forwarded-For: ${address}\r\n`);
  });

export const verifyRequests = (tokens: readonly string[]): string[] =>
  tokens.map(
    (token) =>
      `GET /v1/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );

export const refreshRequests = (tokens: readonly string[]): string[] =>
  tokens.map((token) => {
    const body = JSON.stringify({ refresh_token: token });
    return (
      'POST /v1/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    );
  });
