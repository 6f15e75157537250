/**
 * A worker node put together: the parts list, top to bottom in the order in which they are needed;
 * stopping runs it backwards. Knows passwords and nothing else.
 */
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchEnds } from '../shared/certificate.js';
import { AppError } from '../shared/errors.js';
import { createHttp, type HttpOptions } from '../shared/http.js';
import type { Lifecycle } from '../shared/lifecycle.js';
import { listenOnPath } from '../shared/listen.js';
import { flushLog, type Log } from '../shared/log.js';
import { createMetrics, type Metrics } from '../shared/metrics.js';
import { newId } from '../shared/new-id.js';
import { createCallerCheck, type Endpoint, formatLoad, headers } from '../shared/protocol.js';
import { quitRedis, type RedisClient } from '../shared/redis.js';
import { openStore } from '../shared/store.js';
import { createSendVerdict } from './attempt.js';
import { createCampaigns } from './campaigns/campaign.js';
import { createDesk, type Desk } from './campaigns/desk.js';
import { createSpare } from './campaigns/spare.js';
import { createWrapRecord } from './campaigns/wrap-record.js';
import { type Config, version } from './config.js';
import { fingerprintStore } from './credentials/fingerprint.js';
import { openCredentials } from './credentials/open.js';
import { openEndpoint, type SocketEndpoint } from './endpoint.js';
import { createFence, type Fence } from './fence.js';
import { createHeartbeat, type Heartbeat } from './heartbeat.js';
import { openLockClients } from './locks.js';
import { createMeters, type Meters } from './meters.js';
import { createAdmission } from './passwords/admission.js';
import { createBlocklist } from './passwords/blocklist.js';
import { createCheck } from './passwords/check.js';
import { createTranslate, readDeclaration } from './passwords/formats/translate.js';
import { createKeyRing, type KeyRing } from './passwords/keys.js';
import { createLock } from './passwords/lock.js';
import { createMigrate } from './passwords/migrate.js';
import { createPolicy } from './passwords/policy.js';
import { createThreads, type Threads } from './passwords/threads.js';
import { warmUp } from './passwords/warm-up.js';
import { meetPeers } from './peers.js';
import { createCampaignRoutes } from './routes/campaign.js';
import { createBatchRoute } from './routes/credentials-batch.js';
import { createDrain } from './routes/drain.js';
import { createLogin } from './routes/login.js';
import { createMetricsRoute } from './routes/metrics.js';
import { createPassword } from './routes/password.js';
import { createRecordRoutes } from './routes/records.js';
import { createRegister } from './routes/register.js';
import { createReset } from './routes/reset.js';
import { createSelftest } from './routes/selftest.js';
import { openTcp } from './tcp.js';

type Given = {
  config: Config;
  lifecycle: Pick<Lifecycle, 'onStop'>;
  log: Log;
  /** Something else than hash threads: benches put a timer there. */
  openThreads?: (options: { count: number; log: Log }) => Threads;
};
type Started = { socketPath: string; bootId: string; slots: number };

/** Edges read the registry every 500 ms; until then they may still choose this node. */
const noticeMs = 600;
/** How long what comes late is told to go elsewhere, before nobody listens any more. */
const refuseMs = 100;
/** Longer than any edge keeps an idle connection. */
const keepAliveMs = 65_000;
const drainBudgetMs = 10_000;
/** Of one way in; more than all edges of a large fleet keep, and less than would exhaust us. */
const maxConnections = 16_384;

const readRequestId = (req: IncomingMessage): string | undefined => {
  const id = req.headers[headers.requestId];
  return typeof id === 'string' && /^[\w.:-]{1,128}$/.test(id) ? id : undefined;
};

/** The store of password records, whose texts may be in a declared format. */
const openStoreOf = ({ config, log }: Given, redis: RedisClient, keys: KeyRing) => {
  const { credentials: settings, passwordKeys } = config;
  const format = settings.table?.format;
  const declared = format === undefined ? undefined : readDeclaration(format, passwordKeys);
  return openCredentials({ settings, redis, translate: createTranslate(declared, keys), log });
};

/** The key ring; a record that needs a key which is not there is an alarm. */
const openKeys = ({ config, log }: Given, meters: Meters): KeyRing =>
  createKeyRing({
    keys: config.passwordKeys,
    pepper: config.passwordPepper,
    onMissing: (id) => {
      meters.keyMissing();
      log.error({ key: id, alarm: true }, 'a record needs a key that is not in PASSWORD_KEYS');
    },
  });

/** Everything that needs a hash thread. */
const createPasswords = async (
  given: Given,
  { redis, meters }: { redis: RedisClient; meters: Meters },
) => {
  const { config, lifecycle, log, openThreads = createThreads } = given;
  const { target, threads: count, hashMemoryBytes: memoryBytes } = config;
  const keys = openKeys(given, meters);
  const { credentials, close } = await openStoreOf(given, redis, keys);
  lifecycle.onStop('credentials', close);
  const blocklist = createBlocklist(config.blocklistFile);
  const policy = createPolicy({ target, blocklist, pepper: keys.pepper, norm: credentials.norm });
  const lockClients = openLockClients(config.lockRedisUrls, log);
  lifecycle.onStop('lock servers', () => Promise.all(lockClients.map(quitRedis)));
  const lock = createLock({ clients: lockClients, log });
  const threads = openThreads({ count, log });
  lifecycle.onStop('hash threads', threads.stop);
  const { decoy, tookMs } = await warmUp(threads, policy);
  const admission = createAdmission({
    slots: count,
    memoryBytes,
    defaultCost: policy.cost,
    initialMs: tookMs,
    send: threads.send,
    watch: meters.watch,
  });
  const check = createCheck({ admission, decoy, keys, log });
  const migrate = createMigrate({
    credentials,
    admission,
    lock,
    policy,
    count: meters.migrated,
    log,
  });
  const idle = () => admission.idle().then(migrate.idle);
  return { credentials, keys, policy, threads, admission, check, migrate, idle };
};

type Parts = Awaited<ReturnType<typeof createPasswords>> & {
  bootId: string;
  secret: string;
  metrics: Metrics;
  meters: Meters;
  heartbeat: Heartbeat;
  fence: Fence;
  desk: Desk;
};

/** This node's part in wrapping what nobody logs in with. */
const openCampaigns = (log: Log, parts: Parts) => {
  const { policy, meters, heartbeat } = parts;
  const isOff = heartbeat.isDraining;
  const wrapRecord = createWrapRecord({ ...parts, target: policy.target, log });
  const spare = createSpare(parts);
  return createCampaigns({ ...parts, spare, wrapRecord, count: meters.campaigned, isOff, log });
};

/** `more`: what is special about the server of one endpoint. */
const createNodeHttp = (
  { config, log }: Given,
  parts: Parts,
  more: Pick<HttpOptions, 'tls' | 'decorate'> = {},
) => {
  const { admission, bootId, fence, meters } = parts;
  const isCaller = createCallerCheck(config.nodeSecrets, bootId);
  const sendVerdict = createSendVerdict({ secret: parts.secret, bootId, log });
  return createHttp({
    routes: [
      createLogin({ ...parts, sendVerdict }),
      createRegister({ ...parts, sendVerdict }),
      createPassword({ ...parts, sendVerdict }),
      createReset({ ...parts, secrets: config.nodeSecrets, sendVerdict }),
      createBatchRoute(parts),
      ...createRecordRoutes(parts),
      ...createCampaignRoutes(parts),
      createMetricsRoute(parts),
      createSelftest(parts),
      ...createDrain(parts),
    ],
    log,
    inner: true,
    keepAliveMs,
    maxConnections,
    requestIdOf: readRequestId,
    before: (req) => {
      if (!isCaller(req.headers[headers.caller])) throw new AppError('not_authenticated');
      fence.check();
    },
    observe: (_, route, __, code) => meters.answered(route, code),
    ...more,
    decorate: (req, answer) => {
      answer[headers.load] = formatLoad(admission.load());
      more.decorate?.(req, answer);
    },
  });
};

/** All the ways in: the unix socket, and TCP when it is wanted. */
const openDoors = async (given: Given, parts: Parts, socket: SocketEndpoint) => {
  const { config, lifecycle, log } = given;
  const http = createNodeHttp(given, parts);
  await listenOnPath(http.server, socket.path);
  const endpoints: Endpoint[] = [{ unix: socket.path, dir_id: socket.dirId }];
  if (config.tcp === undefined) return { endpoints, stop: http.stop };
  const tcp = await openTcp({
    settings: config.tcp,
    nodeId: config.nodeId,
    serve: (more) => createNodeHttp(given, parts, more),
    log,
  });
  lifecycle.onStop('certificate', tcp.close);
  watchEnds(parts.metrics, { node: tcp.certificate });
  const stop = (ms: number) => Promise.all([http.stop(ms), tcp.stop(ms)]);
  return { endpoints: [...endpoints, tcp.endpoint], stop };
};

/** Resolves when the node serves and is registered. Rejects with an Error that says what to do. */
export const startWorker = async (given: Given): Promise<Started> => {
  const { config, lifecycle, log } = given;
  const { nodeId, runtimeDir: dir, threads: slots, zone } = config;
  const [secret = ''] = config.nodeSecrets;
  const bootId = newId();
  lifecycle.onStop('log', () => flushLog(log), 1000);
  const endpoint = await openEndpoint({ dir, nodeId, bootId });
  const redis = await openStore({ ...config, url: config.redisUrl, name: 'worker', log });
  lifecycle.onStop('store', () => quitRedis(redis));
  const store = fingerprintStore(config.credentials);
  const ours = { redis, secrets: config.nodeSecrets, store };
  await meetPeers(ours);
  const metrics = createMetrics();
  const meters = createMeters(metrics);
  const passwords = await createPasswords(given, { redis, meters });
  meters.watchState(passwords.admission.load, () => redis.status === 'ready');

  const entry = { id: nodeId, boot_id: bootId, slots, version, zone, store };
  const heartbeat = createHeartbeat({ redis, secret, entry, log });
  const fence = createFence({ onStall: meters.stalled });
  const isTable = config.credentials.table !== undefined;
  const desk = createDesk({ redis, nodeId, bootId, isTable });
  const parts = { ...passwords, desk, bootId, secret, metrics, meters, heartbeat, fence };
  const doors = await openDoors(given, parts, endpoint);
  lifecycle.onStop('registry', heartbeat.leave);
  lifecycle.onStop('work', passwords.idle, drainBudgetMs);
  lifecycle.onStop(
    'serving',
    async () => {
      await heartbeat.setDraining(true);
      await sleep(noticeMs);
      fence.close();
      await doors.stop(refuseMs);
    },
    drainBudgetMs,
  );
  const campaigns = openCampaigns(log, parts);
  lifecycle.onStop('campaigns', campaigns.stop, 2000);
  await heartbeat.enter(doors.endpoints);
  // Whoever started at the same moment was not there yet.
  await meetPeers({ ...ours, waitMs: 0 }).catch(async (error: unknown) => {
    await heartbeat.leave();
    throw error;
  });
  heartbeat.start();
  campaigns.start();
  return { socketPath: endpoint.path, bootId, slots };
};
