/**
 * One client on one kept-alive connection who asks for one answer after the other and looks at the
 * clock: logins with a wrong password for accounts of several kinds, in rounds of one of each in random
 * order. Each comes from a network of its own, and no account is tried so often that it is limited.
 */
import { nowMs } from './pacer.js';
import { loginRequest } from './users.js';
import { openWire, type Target } from './wire.js';

export type Kind = {
  name: string;
  /** The account for the n-th try. */
  username: (n: number) => string;
  /** Added by the client itself: what the test has to find. */
  plantedMs?: number;
};
/** Milliseconds by kind, one of each a round. */
export type Round = Readonly<Record<string, number>>;
export type Probe = Awaited<ReturnType<typeof openProbe>>;

/** Nodes that are full, or too slow: on a machine that others use. */
const busy = [503, 504];

const shuffle = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

/** Other networks than those of `forwardedLogins`. */
const addressOf = (n: number): string => `11.${Math.floor(n / 250) % 250}.${n % 250}.7`;

const spin = (untilMs: number) => {
  while (nowMs() < untilMs);
};

export const openProbe = async (target: Target, kinds: readonly Kind[]) => {
  let onAnswer = (_status: number) => {};
  const wire = await openWire(
    target,
    ({ status }) => onAnswer(status),
    () => onAnswer(0),
  );
  const tries = new Map<string, number>();
  let sent = 0;

  const ask = (request: Uint8Array, plantedMs: number): Promise<{ ms: number; status: number }> =>
    new Promise((resolve) => {
      const startedAt = nowMs();
      onAnswer = (status) => resolve({ ms: nowMs() - startedAt, status });
      if (plantedMs > 0) spin(startedAt + plantedMs);
      wire.send(request);
    });

  const tryOne = async ({ name, username, plantedMs = 0 }: Kind): Promise<number | undefined> => {
    const n = tries.get(name) ?? 0;
    tries.set(name, n + 1);
    const address = `X-Forwarded-For: ${addressOf(sent++)}\r\n`;
    const request = Buffer.from(loginRequest(username(n), 'not the password of anybody', address));
    const { ms, status } = await ask(request, plantedMs);
    if (status === 401) return ms;
    if (busy.includes(status)) return undefined;
    throw new Error(`${name}: answered with ${status}`);
  };

  /** Undefined when one of its logins found no room or no time: such a round has no pairs. */
  const round = async (): Promise<Round | undefined> => {
    const times: Record<string, number> = {};
    let isWhole = true;
    for (const kind of shuffle(kinds)) {
      const ms = await tryOne(kind);
      if (ms === undefined) isWhole = false;
      else times[kind.name] = ms;
    }
    return isWhole ? times : undefined;
  };

  return { round, close: wire.close };
};
