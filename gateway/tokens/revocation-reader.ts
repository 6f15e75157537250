/**
 * Follows one Redis stream without missing an entry unnoticed: XREAD BLOCK from our position, and
 * beside it, every 200 ms, a look at both ends of the stream. A lost connection, another server than
 * before (its stream may lack a tail that we have seen, and go on with ids below our position), a stream that
 * vanished, went backwards or was trimmed past our position is a *gap*: everything retained is read again.
 * Redis may hang without closing (a paused server, a dead route), so a turn that takes longer than
 * the watchdog allows destroys the connection; the client then makes a new one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { whenLate } from '../../shared/late.js';
import type { Log } from '../../shared/log.js';
import { dropConnections, hangUp, type RedisClient } from '../../shared/redis.js';
import { nodeOf } from '../../shared/redis-nodes.js';

const blockMs = 200;
const watchdogMs = 1000;
const retryMs = 50;
const batch = 500;
const origin = '0-0';

type Entry = [id: string, fields: string[]];
type Handlers = {
  onEntry: (fields: ReadonlyMap<string, string>) => void;
  /** Before the first entry of a complete reading. */
  onGap: (reason: string) => void;
  /** Everything that was in the stream at `asOf` has been handed over. */
  onCaughtUp: (asOf: number) => void;
  /** A reading failed, and no other has succeeded for `failingMs`. */
  onFailure: (error: unknown, failingMs: number) => void;
};

const toMap = (flat: readonly string[]): ReadonlyMap<string, string> => {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(flat[i] ?? '', flat[i + 1] ?? '');
  return map;
};

/** Stream ids are `<ms>-<sequence>`; the sequence may need 64 bits. */
const isAfter = (a: string, b: string): boolean => {
  const [aMs = '0', aSequence = '0'] = a.split('-');
  const [bMs = '0', bSequence = '0'] = b.split('-');
  return aMs === bMs ? BigInt(aSequence) > BigInt(bSequence) : BigInt(aMs) > BigInt(bMs);
};

/**
 * Whether we may have missed something, from the ends of the stream. Ordinary trimming or expiry after
 * a long silence can look like a gap too; reading once more is harmless.
 */
export const findGap = (position: string, first: Entry[], last: Entry[]): string | undefined => {
  if (position === origin) return undefined;
  const [from] = first[0] ?? [];
  const [to] = last[0] ?? [];
  if (from === undefined || to === undefined) return 'the stream has vanished';
  if (isAfter(position, to)) return 'the stream went backwards';
  return isAfter(from, position) ? 'the stream was trimmed past our position' : undefined;
};

/** Runs until closed; never throws, never gives up. */
export const followLog = ({
  connect,
  key,
  log,
  now,
  onEntry,
  onGap,
  onCaughtUp,
  onFailure,
}: Handlers & {
  connect: () => RedisClient;
  key: string;
  log: Pick<Log, 'warn'>;
  now: () => number;
}) => {
  const client = connect();
  let position = origin;
  let mode: 'all' | 'follow' = 'all';
  let gap: string | undefined = 'start';
  let probedAt = Number.NEGATIVE_INFINITY;
  let server: unknown;
  let isClosed = false;
  let isTold = false;
  let readAt = now();

  const startOver = (reason: string) => {
    position = origin;
    mode = 'all';
    gap ??= reason;
  };

  const probe = async (): Promise<string | undefined> => {
    if (now() - probedAt < blockMs) return undefined;
    probedAt = now();
    const from = position;
    const [first, last] = await Promise.all([
      client.xrange(key, '-', '+', 'COUNT', 1),
      client.xrevrange(key, '+', '-', 'COUNT', 1),
    ]);
    return findGap(from, first, last);
  };

  const readNext = async (): Promise<Entry[]> => {
    if (mode === 'all') {
      const start = position === origin ? '-' : `(${position}`;
      return client.xrange(key, start, '+', 'COUNT', batch);
    }
    const reply = await client.xread('COUNT', batch, 'BLOCK', blockMs, 'STREAMS', key, position);
    return reply?.[0]?.[1] ?? [];
  };

  /** Whether the connection is not the one of the last answer; in a Cluster that may happen silently. */
  const isElsewhere = (): boolean => {
    const before = server;
    server = nodeOf(client, key)?.stream;
    return position !== origin && server !== before;
  };

  const turn = async () => {
    const sentAt = now();
    if (isElsewhere()) return startOver('another server has the stream');
    const [problem, entries] = await Promise.all([probe(), readNext()]);
    if (isElsewhere()) return startOver('another server has the stream');
    if (problem !== undefined) return startOver(problem);
    if (gap !== undefined) onGap(gap);
    gap = undefined;
    isTold = false;
    for (const [id, fields] of entries) {
      onEntry(toMap(fields));
      position = id;
    }
    if (entries.length === batch) return;
    mode = 'follow';
    onCaughtUp(sentAt);
  };

  const watched = async () => {
    const calm = whenLate(watchdogMs, () => dropConnections(client));
    try {
      await turn();
    } finally {
      calm();
    }
  };

  /** The first one of a row, but not that a connection is still being made. */
  const tell = (err: unknown, wasConnected: boolean) => {
    const isStart = gap === 'start';
    if (isTold || (isStart && !wasConnected)) return;
    isTold = true;
    log.warn({ err }, isStart ? 'revocation log cannot be read yet' : 'revocation log lost');
  };

  const run = async () => {
    while (!isClosed) {
      const isConnected = client.status === 'ready';
      try {
        await watched();
        readAt = now();
      } catch (err) {
        if (isClosed) return;
        tell(err, isConnected);
        onFailure(err, now() - readAt);
        startOver('the connection was lost');
        await sleep(retryMs);
      }
    }
  };
  const ended = run();

  return {
    /** Resolves when nothing of the reader is left; does not wait for a server that hangs. */
    close: async (): Promise<void> => {
      isClosed = true;
      hangUp(client);
      dropConnections(client);
      await ended;
    },
  };
};
