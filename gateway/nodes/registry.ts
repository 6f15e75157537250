/**
 * Which nodes exist, read from Redis twice a second (more often while none is known): membership, drain flags and slots, nothing that
 * changes per request. Entries count only when signed with the cluster secret and reachable from here
 * (see place); others are ignored and counted.
 * Redis lost: the last membership stays, because a node that is really gone is the breaker's affair.
 * An edge that can use none of those that are there never becomes ready: a reload must not roll it out.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf, systemCodeOf } from '../../shared/describe-error.js';
import { createReadEntries, type LiveEntry } from '../../shared/node-registry.js';
import { type NodeEntry, openEntry } from '../../shared/protocol.js';
import type { RedisClient } from '../../shared/redis.js';
import { createKeepMissing } from './keep-missing.js';
import { findChanges } from './membership.js';
import { findPlace, type Place } from './place.js';

/** An entry that this edge can use, and where to reach it. */
export type Member = { readonly entry: NodeEntry; readonly place: Place };
export type Registry = ReturnType<typeof createRegistry>;
export const rejectReasons = ['unsigned', 'unreachable'] as const;
type RejectReason = (typeof rejectReasons)[number];
type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };

const everyMs = 500;
/** While there is nobody: who comes first, as after a start of everything, is waited for. */
const everyMsEmpty = 50;
/** Before the 10 s after which a reload gives up an edge, which could then not say why. */
const startPatienceMs = 8000;

const wrongSecret = (count: number): string =>
  `NODE_SECRET fits none of the ${count} nodes in the registry: give the gateway the one that ` +
  'they have, or restart them with this one (while it changes, both sides have "current,previous")';
const outOfReach = (count: number): string =>
  `none of the ${count} nodes in the registry can be reached from here: those of this machine need its ` +
  'RUNTIME_DIR, those of others TLS at both ends (NODE_TLS_CERT_FILE, NODE_LISTEN; see floodgate certs)';
const mayRead =
  'does the Redis user of this gateway have TIME, ZRANGEBYSCORE and HGET, and the keys {nodes}:*?';

export const createRegistry = (options: {
  redis: RedisClient;
  secrets: readonly string[];
  runtimeDir: string;
  /** Whether this gateway has a certificate for talking to nodes. */
  hasTls?: boolean;
  log: Logs;
  now?: () => number;
}) => {
  const { redis, secrets, runtimeDir, hasTls = false, log } = options;
  const { now = () => performance.now() } = options;
  const startedAt = now();
  const read = createReadEntries(redis);
  const keepMissing = createKeepMissing<Member>({
    isDraining: ({ entry }) => entry.draining,
    now,
  });
  const listeners: ((members: readonly Member[]) => void)[] = [];
  let members = new Map<string, Member>();
  let opened = new Map<string, NodeEntry>();
  let dirId: string | undefined;
  let rejected = new Map<string, RejectReason>();
  let rejecting = new Map<string, RejectReason>();
  let isFailing = false;
  let isClosed = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let markReady = () => {};
  let failStart = (_: Error) => {};
  const isReady = new Promise<void>((resolve, reject) => {
    markReady = resolve;
    failStart = reject;
  });
  // Who does not wait for it is not ended by it.
  isReady.catch(() => {});

  const learnDirId = async () => {
    try {
      dirId = (await readFile(join(runtimeDir, 'dir_id'), 'utf8')).trim() || undefined;
    } catch (error) {
      // Any other trouble, such as too many open files, says nothing about the directory.
      if (systemCodeOf(error) === 'ENOENT') dirId = undefined;
    }
  };

  /** The text is signed, so an unchanged one need not be verified again. */
  const open = (text: string): NodeEntry | undefined =>
    opened.get(text) ?? openEntry(secrets, text);

  /** Logs once for as long as the same text stays. */
  const reject = (id: string, text: string, reason: RejectReason) => {
    const wasKnown = rejected.get(text) === reason;
    rejecting.set(text, reason);
    if (!wasKnown) log.warn({ node: id.slice(0, 64), reason }, 'node entry ignored');
  };

  const resolve = async (found: readonly LiveEntry[]): Promise<Map<string, Member>> => {
    const next = new Map<string, Member>();
    const verified = new Map<string, NodeEntry>();
    rejecting = new Map();
    await learnDirId();
    for (const { id, text } of found) {
      const entry = open(text);
      if (entry === undefined || entry.id !== id) {
        reject(id, text, 'unsigned');
        continue;
      }
      verified.set(text, entry);
      const place = findPlace(entry, { runtimeDir, dirId, hasTls });
      if (place === undefined) reject(id, text, 'unreachable');
      else next.set(id, { entry, place });
    }
    opened = verified;
    rejected = rejecting;
    return next;
  };

  const hasChanged = (next: Map<string, Member>): boolean =>
    next.size !== members.size ||
    [...next].some(([id, { entry }]) => members.get(id)?.entry !== entry);

  const change = (next: Map<string, Member>) => {
    const changes = findChanges(members, next);
    if (changes !== undefined) log.info({ ...changes, nodes: next.size }, 'nodes have changed');
    members = next;
    for (const listener of listeners) listener([...members.values()]);
  };

  /** Means nothing to an edge that has been ready. */
  const notReady = (problem: string) => {
    if (now() - startedAt >= startPatienceMs) failStart(new Error(problem));
  };

  const refreshOnce = async () => {
    try {
      const found = await read();
      const next = await resolve(found);
      const usable = next.size;
      keepMissing(members, next, isFailing);
      if (isFailing) log.info({ nodes: next.size }, 'node registry is back');
      isFailing = false;
      if (!isClosed && hasChanged(next)) change(next);
      // Of nodes that were restarted with another secret, the old entries are gone in time.
      if (usable > 0 || found.length === 0) markReady();
      else if (opened.size === 0) notReady(wrongSecret(found.length));
      else notReady(outOfReach(opened.size));
    } catch (err) {
      if (!isFailing)
        log.warn({ err, nodes: members.size }, 'node registry lost, membership stays');
      isFailing = true;
      notReady(`the node registry cannot be read (${reasonOf(err)}): ${mayRead}`);
    }
  };

  /** Reads now; calls that overlap share one read. Never throws. */
  const refresh = (): Promise<void> => {
    running ??= refreshOnce().finally(() => {
      running = undefined;
    });
    return running;
  };

  const loop = async () => {
    await refresh();
    const pauseMs = members.size === 0 ? everyMsEmpty : everyMs;
    if (!isClosed) timer = setTimeout(loop, pauseMs).unref();
  };
  void loop();

  return {
    members: (): readonly Member[] => [...members.values()],
    /** Called with the whole membership after each change. */
    onChange: (listener: (members: readonly Member[]) => void) => void listeners.push(listener),
    /**
     * After the first successful read, also an empty one, but not while there are entries and none can be
     * used. Rejects with an Error that says what to do when 8 s have passed.
     */
    ready: (): Promise<void> => isReady,
    refresh,
    /** Entries that are there now and cannot be used. */
    ignored: (reason: RejectReason): number =>
      [...rejected.values()].filter((one) => one === reason).length,
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
};
