/**
 * Access tokens for the verify bench, taken the way clients do: by signing in, then by refreshing,
 * which gives more tokens of the same sessions without a hash. Also fills the revocation log with
 * live entries about other sessions, in the product's own form.
 */
import { randomBytes } from 'node:crypto';
import type { ClosedLoopCalls } from './closed-loop.js';
import type { Fleet } from './fleet.js';
import type { Peer } from './peer.js';
import { refreshRequests } from './users.js';

export type Tokens = {
  warm: string[];
  /** Never shown to the edge before, in parts of as many. */
  cold: string[][];
};
export type Pair = { access: string; refresh: string };

const refreshRounds = 12;
const collecting = { settleMs: 0, windowMs: 120_000, keepBodies: true };

export const parsePair = (body: string): Pair => {
  const { access_token, refresh_token }: Record<string, unknown> = JSON.parse(body);
  return { access: String(access_token), refresh: String(refresh_token) };
};

/** Refused logins are tried again with the next user: nothing is measured here. */
export const signInAll = async (
  crowd: Peer<ClosedLoopCalls>,
  connections: number,
  count: number,
) => {
  const pairs: Pair[] = [];
  for (let rounds = 0; pairs.length < count; rounds++) {
    if (rounds > 20) throw new Error('nearly all logins are refused');
    const limit = count - pairs.length;
    const { bodies } = await crowd.ask('closed', { connections, limit, ...collecting });
    pairs.push(...bodies.map(parsePair));
  }
  return pairs;
};

/** `crowd` is aimed at logins of distinct users; `load` is aimed anew. */
export const takeTokens = async (given: {
  fleet: Fleet;
  crowd: Peer<ClosedLoopCalls>;
  load: Peer<ClosedLoopCalls>;
  count: number;
  slots: number;
}): Promise<Tokens> => {
  const { fleet, crowd, load, count, slots } = given;
  let pairs = await signInAll(crowd, 2 * slots, count);
  const warm = pairs.map(({ access }) => access);
  const cold: string[][] = [];
  for (let round = 0; round < refreshRounds; round++) {
    const target = { host: '127.0.0.1', port: fleet.port };
    await load.ask('aim', { target, requests: refreshRequests(pairs.map((p) => p.refresh)) });
    const slice = await load.ask('closed', { connections: 8, limit: count, ...collecting });
    if (slice.failed > 0) throw new Error(`refreshes failed: ${JSON.stringify(slice.statuses)}`);
    pairs = slice.bodies.map(parsePair);
    cold.push(pairs.map(({ access }) => access));
  }
  return { warm, cold };
};

/** Sessions that do not exist have ended as well. */
export const fillRevocations = (fleet: Fleet, entries: number): Promise<void> =>
  fleet.redis.send(
    Array.from({ length: entries }, () => {
      const id = `${randomBytes(16).toString('base64url')}.${randomBytes(16).toString('base64url')}`;
      return ['XADD', 'revocations', '*', 'kind', 'session', 'id', id];
    }),
  );
