/**
 * The one door to ioredis. Its defaults run a write twice when the answer is lost, queue without
 * limit while the server is away, and wait for ever; the options below turn all of that off, so a
 * command is executed at most once and its fate is known within `commandTimeoutMs`.
 * Only what a server refused to execute goes out again, and only where another place is known: MOVED,
 * ASK and TRYAGAIN in a Cluster, NOSCRIPT anywhere. Every other failure (READONLY, CLUSTERDOWN, LOADING,
 * MASTERDOWN: not executed; a lost or late answer: nobody knows) leaves here at once as AppError
 * store_unavailable with the cause for the log, and the caller's repeat decides.
 */
import { connect, type TLSSocket } from 'node:tls';
import { AbstractConnector, Cluster, Command, Redis, type RedisOptions } from 'ioredis';
import { replaceTimeouts } from './redis-timeouts.js';
import { tlsOptions } from './redis-tls.js';
import { parseRedisUrl, type RedisTarget } from './redis-url.js';

export type Script = (
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;
/** One server of whatever topology. */
export type RedisNode = Redis;
/** What one server and a Cluster have in common, and how this store does strong writes, if it does. */
export type RedisClient = (Redis | Cluster) & {
  strong?: {
    run: (lua: string, ...call: Parameters<Script>) => Promise<unknown>;
    /** Kept for them alone, and ended with the store. */
    client: RedisClient;
  };
};

type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };
type ConnectOptions = {
  url: string;
  name: string;
  log: Logs;
  commandTimeoutMs?: number;
  /** For XREAD BLOCK: no command timeout, a connection of its own. */
  blocking?: boolean;
};

/** A Cluster's map is read this often, because a server that hangs tells nobody that it was replaced. */
const mapEveryMs = 1000;
const connectTimeoutMs = 500;
/** Longer than any command may take, XREAD BLOCK included. */
const silenceMs = 1000;

const retryStrategy = (times: number): number =>
  Math.min(50 * 2 ** Math.min(times, 4), 500) * (0.75 + Math.random() / 2);

replaceTimeouts(Command.prototype, Redis.prototype);

/**
 * TLS may report a second error on a connection that has failed already (an alert of the other side).
 * ioredis listens for the first alone, and an error nobody listens for ends the process.
 */
class TlsConnector extends AbstractConnector {
  readonly #options: RedisOptions;

  constructor(options: unknown) {
    super(connectTimeoutMs);
    this.#options = Object(options);
  }

  override async connect(): Promise<TLSSocket> {
    this.connecting = true;
    const { host, port, tls } = this.#options;
    const stream = connect({ host, port, ...tls });
    this.stream = stream;
    stream.on('error', (error) => {
      this.firstError ??= error;
    });
    return stream;
  }
}

type CommonOptions = ReturnType<typeof commonOptions>;

const commonOptions = (
  { name, blocking, commandTimeoutMs = 250 }: ConnectOptions,
  { username, password }: RedisTarget,
) => ({
  ...(username && { username }),
  ...(password && { password }),
  enableOfflineQueue: false,
  retryStrategy,
  protocol: 2 as const,
  replyMapping: 'legacy' as const,
  connectionName: `floodgate-${name}`,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: connectTimeoutMs,
  // How long a server that hangs may take to close a connection.
  disconnectTimeout: connectTimeoutMs,
  ...(blocking ? {} : { commandTimeout: commandTimeoutMs }),
  // A server that hangs does not close our connection when another takes its place.
  socketTimeout: silenceMs,
  // 1 = reconnect, perhaps to another server, without sending again what failed.
  reconnectOnError: (error: Error): 1 | false =>
    /^(READONLY|MASTERDOWN|LOADING|UNBLOCKED)/.test(error.message) ? 1 : false,
});

const openSingle = (
  target: RedisTarget & { kind: 'single' },
  options: CommonOptions,
  log: Logs,
): Redis => {
  const { at, db, tls } = target;
  if ('path' in at) return new Redis({ ...options, path: at.path, db });
  if (tls === undefined) return new Redis({ ...options, ...at, db });
  return new Redis({
    ...options,
    ...at,
    db,
    tls: tlsOptions(tls, log, at.host),
    Connector: TlsConnector,
  });
};

const openSentinel = (
  target: RedisTarget & { kind: 'sentinel' },
  options: CommonOptions,
  log: Logs,
): Redis => {
  const { hosts, master, db, sentinelUsername, sentinelPassword } = target;
  const tls = target.tls && tlsOptions(target.tls, log);
  return new Redis({
    ...options,
    sentinels: hosts,
    name: master,
    role: 'master',
    db,
    ...(sentinelUsername && { sentinelUsername }),
    ...(sentinelPassword && { sentinelPassword }),
    ...(tls && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: connectTimeoutMs,
    sentinelRetryStrategy: retryStrategy,
  });
};

const openCluster = (
  target: RedisTarget & { kind: 'cluster' },
  options: CommonOptions,
  log: Logs,
): Cluster => {
  const { enableOfflineQueue: _, retryStrategy: __, ...redisOptions } = options;
  const cluster = new Cluster(target.hosts, {
    redisOptions: {
      ...redisOptions,
      ...(target.tls && { tls: tlsOptions(target.tls, log), Connector: TlsConnector }),
    },
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    // Its own interval starts again when a client is closed while the map is being read.
    slotsRefreshInterval: 0,
    slotsRefreshTimeout: connectTimeoutMs,
    // A certificate may name the host, so the host stays a name.
    dnsLookup: (host, done) => done(null, host),
    maxRedirections: 4,
    // Not executed, so it may be sent again, while a slot moves from one server to another.
    retryDelayOnTryAgain: 40,
    // 0 = never again. Above 0, ioredis sends a command whose answer was lost a second time.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
  });
  const refresh = () => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache();
  };
  let refreshing: NodeJS.Timeout | undefined;
  cluster.on('ready', () => {
    clearInterval(refreshing);
    refreshing = setInterval(refresh, mapEveryMs).unref();
  });
  // Not 'end': a client that is closed between two attempts to connect never emits that.
  cluster.on('close', () => clearInterval(refreshing));
  let isPlanned = false;
  // Nodes are connected to before the first command, which would wait for the connection in a queue.
  cluster.on('+node', (node: Redis) => {
    if (node.status === 'wait') node.connect().catch(() => {});
  });
  // A node whose connection is lost leaves the map; it may just have been restarted.
  cluster.on('-node', () => {
    if (isPlanned) return;
    isPlanned = true;
    setTimeout(() => {
      isPlanned = false;
      refresh();
    }, retryStrategy(1)).unref();
  });
  return cluster;
};

const open = (options: ConnectOptions): Redis | Cluster => {
  const target = parseRedisUrl(options.url);
  const common = commonOptions(options, target);
  const { log } = options;
  if (target.kind === 'cluster') return openCluster(target, common, log);
  if (target.kind === 'sentinel') return openSentinel(target, common, log);
  return openSingle(target, common, log);
};

/** Those that we hang up ourselves, which is no loss. */
const leaving = new WeakSet<RedisClient>();

/** A connected client, or one that keeps trying: commands fail at once while it is away. */
export const connectRedis = (options: ConnectOptions): RedisClient => {
  const { name, log } = options;
  const client: RedisClient = open(options);
  let isUp = false;
  let isTold = false;
  client.on('ready', () => {
    isUp = true;
    isTold = false;
    log.info({ store: name }, 'redis connected');
  });
  client.on('close', () => {
    if (isUp && !leaving.has(client)) log.warn({ store: name }, 'redis connection lost');
    isUp = false;
  });
  // Failures reach the callers, but not why there is no connection. Without a listener ioredis prints it.
  client.on('error', (err: unknown) => {
    if (isTold || leaving.has(client)) return;
    isTold = true;
    log.warn({ store: name, err }, 'redis cannot be reached');
  });
  return client;
};

/** Ends all connections, also to servers that hang; the client then makes new ones. */
export const dropConnections = (client: RedisClient): void => {
  const nodes = client instanceof Redis ? [client] : client.nodes();
  for (const { stream } of nodes) stream?.destroy();
};

/** Ends the client at once, with what is under way. */
export const hangUp = (client: RedisClient): void => {
  leaving.add(client);
  client.disconnect();
};

/** Lets what is under way end, within the client's own limits. Never throws. */
export const quitRedis = async (client: RedisClient): Promise<void> => {
  leaving.add(client);
  const { strong } = client;
  const quitStrong = strong && quitRedis(strong.client);
  if (client.status === 'ready') await client.quit().catch(() => {});
  hangUp(client);
  await quitStrong;
};
