/**
 * What may no longer be used, known to every edge within milliseconds. The session record is the
 * authority; this log (Redis stream `revocations`) is the fast messenger: `publish` appends an entry
 * before the caller is answered, and each edge follows the stream on a connection of its own and
 * keeps what matters in memory, so that a check costs no round trip. `revocation-reader.ts` does the following;
 * here are the entries, the state they add up to, and what a check may still say when the log is lost.
 */
import { reasonOf } from '../../shared/describe-error.js';
import type { Log } from '../../shared/log.js';
import type { RedisClient } from '../../shared/redis.js';
import {
  confirmWrites,
  defineStrongScript,
  evenWhenFull,
  nowLua,
} from '../../shared/redis-calls.js';
import { retainedMs } from './life.js';
import { followLog } from './revocation-reader.js';

const revocationsKey = 'revocations';

/** Before the 10 s after which a reload gives up an edge, which could then not say why. */
const startPatienceMs = 8000;

const cannotStart = (cause: unknown): Error =>
  new Error(
    `the revocation log cannot be read (${reasonOf(cause)}): may the Redis user of this gateway ` +
      `XRANGE, XREVRANGE and XREAD the key ${revocationsKey}, and is it a stream, or not there?`,
    { cause },
  );

/**
 * Appends one entry and lets go of what nobody needs any more, at last of the whole stream.
 * KEYS: the stream. ARGV: milliseconds to retain, then field, value, … of the entry. Returns nothing.
 */
const publishLua = `
${nowLua}
redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%.0f', now - ARGV[1]), '*', unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

export type Revocation =
  /** One session: logout, refresh token reuse, eviction. */
  | { kind: 'session'; id: string }
  /** Everything of account `id` (its `u`) from before `gen`: password change, disabling. */
  | { kind: 'user'; id: string; gen: number }
  /** One access token, or one signing key by its key id. */
  | { kind: 'jti' | 'key'; id: string }
  /** Ends nothing: the keyring has changed, `id` says how. */
  | { kind: 'keyring'; id: string };

type Checked = { sid: string; u: string; gen: number; jti: string; kid: string };
/** `life` counts the gaps: an entry of an earlier life may be missing from the store. */
type Known = { until: number; life: number; gen: number };

export type Revocations = ReturnType<typeof createRevocations>;

const kinds = ['session', 'user', 'jti', 'key', 'keyring'] as const;

/** An entry from the store; undefined when a later version wrote something we do not know. */
const readEntry = (fields: ReadonlyMap<string, string>): Revocation | undefined => {
  const id = fields.get('id');
  const kind = kinds.find((name) => name === fields.get('kind'));
  if (id === undefined || kind === undefined) return undefined;
  if (kind !== 'user') return { kind, id };
  const gen = Number(fields.get('gen'));
  return Number.isSafeInteger(gen) ? { kind, id, gen } : undefined;
};

/** The entries in memory, by kind. Nothing is forgotten before every token it concerns is dead. */
const createState = (now: () => number) => {
  const known: Record<Revocation['kind'], Map<string, Known>> = {
    session: new Map(),
    user: new Map(),
    jti: new Map(),
    key: new Map(),
    keyring: new Map(),
  };
  let life = 0;

  const add = (entry: Revocation): void => {
    const map = known[entry.kind];
    const gen = entry.kind === 'user' ? Math.max(entry.gen, map.get(entry.id)?.gen ?? 0) : 0;
    // Moved to the end: a map is then in order of expiry, and pruning stops at the first live one.
    map.delete(entry.id);
    map.set(entry.id, { until: now() + retainedMs, life, gen });
  };

  const endsAlone = ({ jti, kid }: Checked): boolean => known.jti.has(jti) || known.key.has(kid);
  const endsButSession = (claims: Checked): boolean =>
    (known.user.get(claims.u)?.gen ?? 0) > claims.gen || endsAlone(claims);

  return {
    add,
    /** True when the store has this entry already, as far as we have read. */
    has: (entry: Revocation): boolean => {
      const found = known[entry.kind].get(entry.id);
      return found?.life === life && (entry.kind !== 'user' || found.gen >= entry.gen);
    },
    nextLife: () => {
      life++;
    },
    prune: () => {
      for (const map of Object.values(known))
        for (const [id, { until }] of map) {
          if (until > now()) break;
          map.delete(id);
        }
    },
    endsButSession,
    endsAlone,
    ends: (claims: Checked): boolean => known.session.has(claims.sid) || endsButSession(claims),
    size: () => Object.values(known).reduce((sum, map) => sum + map.size, 0),
  };
};

/** Appends entries for a process that does not follow the log. Throws store_unavailable. */
export const createPublish = ({ redis }: { redis: RedisClient }) => {
  const append = defineStrongScript(redis, {
    name: 'publishRevocation',
    lua: evenWhenFull(publishLua),
  });
  return async (entry: Revocation): Promise<void> => {
    const gen = entry.kind === 'user' ? ['gen', entry.gen] : [];
    await append([revocationsKey], [retainedMs, 'kind', entry.kind, 'id', entry.id, ...gen]);
  };
};

/**
 * Follows the log until closed. `staleMs`: for how long a check still answers after the log was last
 * heard (`allow:30s`: 30,000; `deny`: 1,000). `connect` makes the blocking connection.
 */
export const createRevocations = ({
  redis,
  connect,
  staleMs = 30_000,
  log,
  now = () => performance.now(),
}: {
  redis: RedisClient;
  connect: () => RedisClient;
  staleMs?: number;
  log: Pick<Log, 'info' | 'warn'>;
  /** Monotonic milliseconds. */
  now?: () => number;
}) => {
  const append = createPublish({ redis });
  const state = createState(now);
  const gapListeners: (() => void)[] = [];
  const keyListeners: (() => void)[] = [];
  let heardAt = Number.NEGATIVE_INFINITY;
  let markReady = () => {};
  let failStart = (_: Error) => {};
  const ready = new Promise<void>((resolve, reject) => {
    markReady = resolve;
    failStart = reject;
  });
  // Who does not wait for it is not ended by it.
  ready.catch(() => {});

  const reader = followLog({
    connect,
    key: revocationsKey,
    log,
    now,
    onEntry: (fields) => {
      const entry = readEntry(fields);
      if (entry === undefined) return log.warn({}, 'unknown entry in the revocation log');
      state.add(entry);
      if (entry.kind !== 'key' && entry.kind !== 'keyring') return;
      for (const listener of keyListeners) listener();
    },
    onGap: (reason) => {
      log.info({ reason }, 'reading the whole revocation log');
      state.nextLife();
      for (const listener of gapListeners) listener();
    },
    onCaughtUp: (asOf) => {
      heardAt = asOf;
      state.prune();
      markReady();
    },
    // Means nothing to an edge that has been ready.
    onFailure: (error, failingMs) => {
      if (failingMs >= startPatienceMs) failStart(cannotStart(error));
    },
  });

  const answerOf = (isEnded: boolean): 'ok' | 'ended' | 'unknown' => {
    if (isEnded) return 'ended';
    return now() - heardAt <= staleMs ? 'ok' : 'unknown';
  };

  return {
    /**
     * Durable in the log, on its replicas too, and in force at this edge, when it resolves. Idempotent;
     * what the log is known to hold is not written again, but the replicas may not have it yet: an edge
     * reads an entry before they do. Throws store_unavailable.
     */
    publish: async (entry: Revocation): Promise<void> => {
      if (state.has(entry)) return confirmWrites(redis, revocationsKey);
      await append(entry);
      state.add(entry);
    },

    /** Local and synchronous. `unknown`: the log was not heard for too long, so nobody can say. */
    check: (claims: Checked) => answerOf(state.ends(claims)),

    /** The same for the end of a session, which must be repeatable: entries of sessions do not count. */
    checkButSession: (claims: Checked) => answerOf(state.endsButSession(claims)),

    /**
     * The same for the end of all sessions, which ends the caller's own, too: only an end of this very
     * token counts; the store knows whether the session ended otherwise.
     */
    checkAlone: (claims: Checked) => answerOf(state.endsAlone(claims)),

    /** `listener` runs whenever the log had a gap, before it is read again from its beginning. */
    onGap: (listener: () => void): void => {
      gapListeners.push(listener);
    },

    /** `listener` runs whenever an entry says that the keyring is not what it was. */
    onKeys: (listener: () => void): void => {
      keyListeners.push(listener);
    },

    /**
     * Resolves when the whole log has been read for the first time. Rejects with an Error that says
     * what to do when nothing of it could be read for 8 s.
     */
    ready: (): Promise<void> => ready,
    /** Live entries in memory, and milliseconds since the log was heard; for metrics. */
    stats: () => ({ entries: state.size(), staleMs: now() - heardAt }),
    close: (): Promise<void> => reader.close(),
  };
};
