/**
 * Composition root of the admin child: metrics of the whole fleet, nodes and users. Nothing of it
 * is on the public port; every call needs ADMIN_TOKEN, a scrape also takes METRICS_TOKEN.
 */
import { type Certificate, readCertificate, watchEnds } from '../../shared/certificate.js';
import { createHttp } from '../../shared/http.js';
import type { Lifecycle } from '../../shared/lifecycle.js';
import { listen } from '../../shared/listen.js';
import { flushLog, type Log } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { quitRedis } from '../../shared/redis.js';
import { patiently } from '../../shared/redis-calls.js';
import { openStore } from '../../shared/store.js';
import { peers } from '../address.js';
import { createClientRegistry } from '../clients/registry.js';
import type { Config } from '../config.js';
import { maxAgeSeconds } from '../devices.js';
import { createBatch } from '../import/batch.js';
import { createClaims } from '../import/claims.js';
import { createSendRows } from '../import/send-rows.js';
import { isMessage } from '../ipc.js';
import { loadNameKey } from '../name-key.js';
import { createNodes } from '../nodes/nodes.js';
import { createObserve } from '../observe.js';
import { openBackup, openUserSessions } from '../sessions/open-backup.js';
import { createResets } from '../sessions/resets.js';
import { keepCertificate, openGatewayIdentity } from '../tls.js';
import { loadKeys } from '../tokens/keys.js';
import { createPublish } from '../tokens/revocations.js';
import { createKeyDesk } from '../tokens/rotation.js';
import { createAccounts } from '../username.js';
import { createAuthorize } from './authorize.js';
import { watchClock } from './clock.js';
import { createGather } from './gather.js';
import { createAccountRoutes } from './routes/accounts.js';
import { createCampaignRoutes } from './routes/campaigns.js';
import { createClientRoutes } from './routes/clients.js';
import { createKeyRoutes } from './routes/keys.js';
import { createMetricsRoute } from './routes/metrics.js';
import { createNodeRoutes } from './routes/nodes.js';
import { createUserRoute } from './routes/users.js';
import { createExportRoutes } from './routes/users-export.js';
import { createImportRoute } from './routes/users-import.js';
import { createSetPassword } from './set-password.js';

/** Resolves when the admin port is open. Rejects with an Error that says what to do. */
export const startAdmin = async ({
  config,
  lifecycle,
  log,
  replacesLost = false,
}: {
  config: Config;
  lifecycle: Lifecycle;
  log: Log;
  /** In the place of one that was lost: it serves, whatever is wrong with the nodes. */
  replacesLost?: boolean;
}): Promise<void> => {
  lifecycle.onStop('log', () => flushLog(log), 500);
  const metrics = createMetrics();
  const common = createMetrics({ defaults: false });
  const { redisUrl: url, acceptDataLoss, nodeSecrets: secrets, runtimeDir, zone } = config;
  const redis = await openStore({ url, name: 'admin', acceptDataLoss, log });
  lifecycle.onStop('redis', () => quitRedis(redis), 1000);
  const backup = await openBackup({ config, redis, lifecycle, log });
  const identity = openGatewayIdentity(config.nodeTls, { lifecycle, log, replacesLost });
  const shared = { redis, secrets, runtimeDir, zone, identity, replacesLost, log, metrics };
  const nodes = createNodes(shared);
  lifecycle.onStop('nodes', nodes.close, 1000);
  await nodes.ready();
  const accounts = createAccounts(await patiently(() => loadNameKey({ redis })));
  const gather = createGather({ lifecycle, nodes, own: metrics, common, expected: config.edges });
  const publish = createPublish({ redis });
  const userSessions = openUserSessions({ config, redis, backup, publish });
  const resets = createResets({ redis });
  const { errand } = nodes;
  const sendRows = createSendRows({ claims: createClaims({ redis }), errand });
  const [secret = ''] = secrets;
  const batch = createBatch({ accounts, sendRows, secret });
  const setPassword = createSetPassword({ nodes, userSessions, secret });
  const { defaultScopes, kek, previousKek, tokenAlg: alg, keyIntervalMs: intervalMs } = config;
  const keys = await patiently(() => loadKeys({ redis, kek, previousKek, alg, intervalMs }));
  const keepMs = { refresh: config.sessionMaxMs, device: maxAgeSeconds * 1000 };

  let certificate = config.tls && readCertificate(config.tls);
  lifecycle.onStop('clock', watchClock({ redis, metrics: common, log }).close);
  watchEnds(common, { public: () => certificate, nodes: () => identity?.certificate() });

  const http = createHttp({
    routes: [
      createMetricsRoute({ gather }),
      ...createNodeRoutes({ nodes, gather }),
      ...createCampaignRoutes({ nodes }),
      ...createClientRoutes({ registry: createClientRegistry({ redis }), publish }),
      ...createKeyRoutes({ desk: createKeyDesk({ keys, publish, keepMs }) }),
      createUserRoute({ sendRows, accounts, defaultScopes }),
      createImportRoute({ batch, defaultScopes }),
      ...createExportRoutes({ errand, accounts, redis }),
      ...createAccountRoutes({ redis, userSessions, resets, errand, setPassword }),
    ],
    log,
    before: createAuthorize(config),
    observe: createObserve({ metrics, log, addresses: peers }),
    ...(certificate ? { tls: certificate } : {}),
  });
  if (config.tls) {
    const changed = (next: Certificate) => {
      certificate = next;
    };
    lifecycle.onStop('certificate', keepCertificate(config.tls, http.server, log, changed));
  }
  lifecycle.onMessage((message) => {
    if (!isMessage(message)) return;
    if (message.t === 'ping') lifecycle.tell({ t: 'pong', connections: 0 });
    if (message.t === 'collected') gather.collected(message);
  });

  const { adminHost: host, adminPort: port } = config;
  const opened = await listen(http.server, { host, port, setting: 'ADMIN_PORT' });
  lifecycle.onStop('admin port', () => http.stop(0), 2000);
  lifecycle.tell({ t: 'listening', port: opened });
  lifecycle.ready();
};
