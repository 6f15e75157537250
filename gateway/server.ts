/**
 * Composition root of an edge: every part is made here, in the order it is needed, and handed to
 * those that use it. Reads like a parts list; holds no logic of its own.
 */
import { readCertificate } from '../shared/certificate.js';
import { createHttp, type Route } from '../shared/http.js';
import type { Lifecycle } from '../shared/lifecycle.js';
import { listen } from '../shared/listen.js';
import { flushLog, type Log } from '../shared/log.js';
import { createMetrics } from '../shared/metrics.js';
import { patiently } from '../shared/redis-calls.js';
import { createAddresses } from './address.js';
import { createAttempts } from './attempts.js';
import { createBalance } from './balance.js';
import { createCallers, createIdentify } from './caller.js';
import type { Config } from './config.js';
import { createDevices } from './devices.js';
import { createFloor } from './floor.js';
import { createFollowUp } from './follow-up.js';
import { createGrant } from './grant.js';
import { isMessage, keepAliveMs } from './ipc.js';
import { openVerifyAny } from './issuers/open.js';
import { createLimits } from './limits/limits.js';
import { createConnectionMeters, createMeters } from './meters.js';
import { keepNameKey, loadNameKey } from './name-key.js';
import { createNodes } from './nodes/nodes.js';
import { createObserve } from './observe.js';
import { openOauth } from './open-oauth.js';
import { openTokens } from './open-tokens.js';
import { createOrigins } from './origins.js';
import { createPasswordReset } from './password-reset.js';
import { createLogin } from './routes/login.js';
import { createLogout } from './routes/logout.js';
import { createOpenapi } from './routes/openapi.js';
import { createPassword } from './routes/password.js';
import { createRefresh } from './routes/refresh.js';
import { createSessionRoutes } from './routes/sessions.js';
import { createUsers } from './routes/users.js';
import { createVerifyRoutes } from './routes/verify.js';
import { createWellKnown } from './routes/well-known.js';
import { createCookieSessions } from './sessions/cookie-sessions.js';
import { openSessions, openUserSessions } from './sessions/open-backup.js';
import { createResets } from './sessions/resets.js';
import { createSessionEnd } from './sessions/session-end.js';
import { createTierUp } from './tier-up.js';
import { keepCertificate, openGatewayIdentity } from './tls.js';
import { usersOnly } from './tokens/users-only.js';
import { createAccounts } from './username.js';

type Given = {
  config: Config;
  lifecycle: Lifecycle;
  log: Log;
  /** In the place of one that was lost: what needs no node is to go on, whatever is wrong with them. */
  replacesLost?: boolean;
};

/** Resolves when this edge serves. Rejects with an Error that says what to do. */
export const startEdge = async (given: Given): Promise<void> => {
  const { config, lifecycle, log, replacesLost = false } = given;
  lifecycle.onStop('log', () => flushLog(log), 500);
  const metrics = createMetrics();
  const tokens = await openTokens(given);
  const { redis, backup, keys, revocations, sign, verifier, reads } = tokens;
  const verify = usersOnly(verifier.verify);
  const verifyForLogout = usersOnly(verifier.verifyForLogout);
  const verifyToEndAll = usersOnly(verifier.verifyToEndAll);
  const { nodeSecrets: secrets, runtimeDir, zone } = config;
  const identity = openGatewayIdentity(config.nodeTls, { lifecycle, log, replacesLost });
  const shared = { redis, secrets, runtimeDir, zone, identity, replacesLost, log, metrics };
  const nodes = createNodes(shared);
  lifecycle.onStop('nodes', nodes.close, 1000);
  nodes.watchState(metrics);
  await nodes.ready();

  const nameKey = await patiently(() => loadNameKey({ redis }));
  lifecycle.onStop('name key', keepNameKey({ redis, key: nameKey, revocations, log }));
  const accounts = createAccounts(nameKey);
  const addresses = createAddresses({ trustedProxies: config.trustedProxies, log, metrics });
  const sessions = openSessions({ config, redis, backup, keys, log });
  const { publish } = revocations;
  const userSessions = openUserSessions({ config, redis, backup, publish });
  const { store } = reads;
  const cookies = createCookieSessions({ store, revocations, maxMs: config.sessionMaxMs });
  const origins = createOrigins({ listed: config.corsOrigins, issuer: config.issuer });
  const callers = createCallers({ verify, verifyForLogout, verifyToEndAll, cookies, origins });
  const verifyAny = openVerifyAny({ config, log, metrics }, verifier.verify);
  createMeters({ metrics, redis, verifier, cookies, revocations });
  const limits = createLimits({ redis });
  const attempts = createAttempts({ limits, nodes });
  const devices = createDevices({ keys });
  const grant = createGrant({ sign });
  const floor = createFloor(config.failureFloorMs);
  const followUp = createFollowUp({
    ...{ genOf: sessions.genOf, publishGen: userSessions.publishGen },
    onStop: (finish) => lifecycle.onStop('follow-ups', finish, 2000),
  });
  const reset = createPasswordReset({
    ...{ limits, attempts, addresses, userSessions, followUp },
    resets: createResets({ redis }),
    secret: secrets[0] ?? '',
  });
  const sessionEnd = createSessionEnd({ sessions, revocations });
  const isOpen = config.registration === 'open';
  const { defaultScopes } = config;
  let isGatewayStopping = false;

  const passwordRoutes = [
    createUsers({ isOpen, defaultScopes, attempts, accounts, addresses }),
    createLogin({
      ...{ attempts, accounts, addresses, devices, sessions, cookies, callers, origins },
      ...{ sessionEnd, grant, floor },
    }),
    createPassword({
      ...{ callers, cookies, attempts, addresses, sessions, userSessions, reset, followUp },
      ...{ grant, floor },
    }),
  ];
  const { whenBehind } = nodes;
  const routes: Route[] = [
    ...passwordRoutes.map((route) => ({ ...route, whenBehind })),
    ...createVerifyRoutes({ identify: createIdentify({ verify: verifyAny, cookies }) }),
    createRefresh({ sessions, sessionEnd, grant }),
    ...createSessionRoutes({ callers, userSessions, sessionEnd, followUp }),
    createLogout({ callers, sessionEnd }),
    ...openOauth(config, tokens, { sessions, sessionEnd, limits, addresses }),
    ...createWellKnown({ jwks: keys.jwks, isStopping: () => isGatewayStopping }),
  ];

  const observe = createObserve({ metrics, log, addresses });
  const tierUp = createTierUp();
  const balance = createBalance(() => http.connections(), config.maxConnections);
  const connections = createConnectionMeters({ metrics, log, open: () => http.connections() });
  const http = createHttp({
    routes: [...routes, createOpenapi(config.issuer, routes)],
    log,
    requestIdOf: addresses.requestIdOf,
    ...(origins.decorate ? { decorate: origins.decorate } : {}),
    preflight: origins.preflight,
    observe: (...answer) => {
      observe(...answer);
      tierUp();
    },
    keepAliveMs,
    isLast: balance.isLast,
    maxConnections: config.maxConnections,
    perClient: { max: 100, keyOf: addresses.connectionKey },
    onRefused: connections.refused,
    ...(config.tls ? { tls: readCertificate(config.tls) } : {}),
  });
  if (config.tls) lifecycle.onStop('certificate', keepCertificate(config.tls, http.server, log));

  lifecycle.onMessage(async (message) => {
    if (!isMessage(message)) return;
    if (message.t === 'ping')
      lifecycle.tell({ t: 'pong', connections: balance.heard(message.mean) });
    if (message.t === 'stopping') isGatewayStopping = true;
    if (message.t !== 'collect') return;
    const part = message.topic === 'nodes' ? nodes.snapshot() : await metrics.json();
    lifecycle.tell({ t: 'part', id: message.id, part });
  });
  const { host } = config;
  const port = await listen(http.server, { host, port: config.port, setting: 'PORT' });
  // A reloaded edge has time; a gateway that stops leaves clients whose connections are reset anyway.
  const stop = () => {
    lifecycle.tell({ t: 'leaving' });
    return http.stop(config.stopDelayMs, () => !isGatewayStopping);
  };
  lifecycle.onStop('public port', stop, config.stopDelayMs + keepAliveMs + 3000);
  lifecycle.tell({ t: 'listening', port });
  lifecycle.ready();
};
