/**
 * Composition root of an edge: every part is made here, in the order it is needed, and handed to
 * those that use it. Reads like a parts list; holds no logic of its own.
 */
import { readCertificate } from '../shared/certificate.js';
import { createHttp } from '../shared/http.js';
import type { Lifecycle } from '../shared/lifecycle.js';
import { listen } from '../shared/listen.js';
import { flushLog, type Log } from '../shared/log.js';
import { createMetrics, type Metrics } from '../shared/metrics.js';
import { connectRedis, patiently, quitRedis } from '../shared/redis.js';
import { openStore } from '../shared/store.js';
import { loadNameKey } from './account-key.js';
import { type Addresses, createAddresses } from './address.js';
import { createAttempts, createFloor } from './attempts.js';
import { createAuthenticate } from './clients/authenticate.js';
import { createLookup } from './clients/lookup.js';
import { createRegistry } from './clients/registry.js';
import { createReplay } from './clients/replay.js';
import type { Config } from './config.js';
import { createDevices } from './devices.js';
import { createFollowUp } from './follow-up.js';
import { createGrant } from './grant.js';
import { isMessage } from './ipc.js';
import { createIssuers } from './issuers/issuers.js';
import { createIssuerMeters } from './issuers/meters.js';
import { createLimits, type Limits } from './limits.js';
import { createMeters } from './meters.js';
import { createNodes } from './nodes/submit.js';
import { createObserve } from './observe.js';
import { type OpenBackup, openBackup, openSessions, openUserSessions } from './open-backup.js';
import { createPasswordReset } from './password-reset.js';
import { createResets } from './resets.js';
import { createLogin } from './routes/login.js';
import { createLogout } from './routes/logout.js';
import { createOauthIntrospect } from './routes/oauth-introspect.js';
import { createMetadata, endpointsOf } from './routes/oauth-metadata.js';
import { createOauthRevoke } from './routes/oauth-revoke.js';
import { createOauthToken } from './routes/oauth-token.js';
import { createPassword } from './routes/password.js';
import { createRefresh } from './routes/refresh.js';
import { createSessionRoutes } from './routes/sessions.js';
import { createUsers } from './routes/users.js';
import { createVerifyRoute } from './routes/verify.js';
import { createWellKnown } from './routes/well-known.js';
import { isCritical } from './session-id.js';
import { createSessionLook } from './session-look.js';
import type { Sessions } from './sessions.js';
import { keepCertificate, openGatewayIdentity } from './tls.js';
import { createAssertions } from './tokens/assertions.js';
import { checkForeign } from './tokens/foreign.js';
import { loadKeys } from './tokens/keys.js';
import { createRevocations } from './tokens/revocations.js';
import { createRevoked } from './tokens/revoked.js';
import { followKeys } from './tokens/rotation.js';
import { createSign } from './tokens/sign.js';
import { usersOnly } from './tokens/users-only.js';
import { type Claims, createVerify, type Verifier } from './tokens/verify.js';
import { createAccounts } from './username.js';
import { createVerifyAny, type VerifyAny } from './verify-any.js';

/** Access tokens live 15 minutes at the most, whatever a key holder signs. */
const maxLifeSeconds = 900;

type Given = { config: Config; lifecycle: Lifecycle; log: Log };

/** While the log is silent, the backup knows about critical sessions. */
const askBackup = (backup: OpenBackup) => (claims: Claims) =>
  backup !== undefined && isCritical(claims.sid)
    ? backup.store.check(claims).then(() => claims)
    : undefined;

/** Store, keys and revocation log: what a token check needs. */
const openTokens = async ({ config, lifecycle, log }: Given) => {
  const { redisUrl: url, acceptDataLoss, issuer, audience, accessTtlMs } = config;
  const redis = await openStore({ url, name: 'edge', acceptDataLoss, log });
  lifecycle.onStop('redis', () => quitRedis(redis), 1000);
  const backup = await openBackup({ config, redis, lifecycle, log });
  const { kek, previousKek, tokenAlg: alg, keyIntervalMs: intervalMs } = config;
  const keys = await patiently(() => loadKeys({ redis, kek, previousKek, alg, intervalMs }));
  const revocations = createRevocations({
    redis,
    connect: () => connectRedis({ url, name: 'revocations', log, blocking: true }),
    staleMs: config.verifyOnStoreLossMs,
    log,
  });
  lifecycle.onStop('revocation log', revocations.close, 1000);
  const following = followKeys({ keys, revocations, log });
  lifecycle.onStop('keyring', following.close, 1000);
  await revocations.ready();
  const ttlSeconds = accessTtlMs / 1000;
  const sign = createSign({ keys, issuer, audience, ttlSeconds });
  const verifier = createVerify({
    keys,
    issuer,
    audience,
    maxLifeSeconds,
    revocations,
    whenUnknown: askBackup(backup),
  });
  // Introspection sees the tokens of every resource server.
  const { verify: verifyIssued } = createVerify({ keys, issuer, maxLifeSeconds, revocations });
  return { redis, backup, keys, revocations, sign, verifier, verifyIssued };
};

/** Clients and the endpoints for them. */
const openOauth = (
  config: Config,
  tokens: Awaited<ReturnType<typeof openTokens>>,
  parts: { sessions: Sessions; limits: Limits; addresses: Addresses },
) => {
  const { redis, revocations, sign, verifyIssued } = tokens;
  const { sessions, limits, addresses } = parts;
  const { issuer, sessionIdleMs: idleMs } = config;
  const lookup = createLookup(createRegistry({ redis }));
  const audiences = [issuer, endpointsOf(issuer).token];
  const assertions = createAssertions({ audiences, claim: createReplay({ redis }) });
  const authenticate = createAuthenticate({ lookup, assertions, limits, addresses });
  const look = createSessionLook({ redis, idleMs });
  const revoked = createRevoked({ redis });
  const common = { authenticate, sessions, look };
  return [
    createOauthToken({ ...common, sign, revocations }),
    createOauthIntrospect({ ...common, lookup, verifyIssued, revoked, issuer }),
    createOauthRevoke({ ...common, verifyIssued, revoked, revocations }),
    ...createMetadata({ issuer }),
  ];
};

/** Without external issuers a check is our own check, with nothing in between. */
const openVerifyAny = (
  { config, log, metrics }: Pick<Given, 'config' | 'log'> & { metrics: Metrics },
  verify: Verifier['verify'],
): VerifyAny => {
  const settings = config.externalIssuers;
  if (settings.length === 0) return verify;
  const issuers = createIssuers({ settings, checkSignature: checkForeign, log });
  createIssuerMeters({ metrics, issuers });
  return createVerifyAny({ verify, issuers });
};

export const startEdge = async (given: Given): Promise<void> => {
  const { config, lifecycle, log } = given;
  lifecycle.onStop('log', () => flushLog(log), 500);
  const metrics = createMetrics();
  const tokens = await openTokens(given);
  const { redis, backup, keys, revocations, sign, verifier } = tokens;
  const verify = usersOnly(verifier.verify);
  const verifyForLogout = usersOnly(verifier.verifyForLogout);
  createMeters({ metrics, redis, verifier, revocations });
  const verifyAny = openVerifyAny({ config, log, metrics }, verifier.verify);
  const { nodeSecrets: secrets, runtimeDir, zone } = config;
  const identity = openGatewayIdentity(config.nodeTls, lifecycle, log);
  const nodes = createNodes({ redis, secrets, runtimeDir, zone, identity, log, metrics });
  lifecycle.onStop('nodes', nodes.close, 1000);
  await nodes.ready();

  const accounts = createAccounts(await patiently(() => loadNameKey({ redis })));
  const addresses = createAddresses({ trustedProxies: config.trustedProxies, log, metrics });
  const sessions = openSessions({ config, redis, backup, keys, log });
  const { publish } = revocations;
  const userSessions = openUserSessions({ config, redis, backup, publish });
  const limits = createLimits({ redis });
  const attempts = createAttempts({ limits, nodes });
  const devices = createDevices({ keys });
  const grant = createGrant({ sign });
  const floor = createFloor(config.failureFloorMs);
  const followUp = createFollowUp({ genOf: sessions.genOf, publishGen: userSessions.publishGen });
  const reset = createPasswordReset({
    ...{ limits, attempts, addresses, userSessions, followUp },
    resets: createResets({ redis }),
    secret: secrets[0] ?? '',
  });
  const isOpen = config.registration === 'open';
  const { defaultScopes } = config;
  let isGatewayStopping = false;

  const http = createHttp({
    routes: [
      createUsers({ isOpen, defaultScopes, attempts, accounts, addresses }),
      createLogin({ attempts, accounts, addresses, devices, sessions, revocations, grant, floor }),
      createVerifyRoute({ verify: verifyAny }),
      createRefresh({ sessions, revocations, grant }),
      createPassword({
        ...{ verify, attempts, addresses, sessions, userSessions, reset, followUp, grant, floor },
      }),
      ...createSessionRoutes({ verify, verifyForLogout, userSessions }),
      createLogout({ verifyForLogout, sessions, revocations }),
      ...openOauth(config, tokens, { sessions, limits, addresses }),
      ...createWellKnown({ jwks: keys.jwks, isStopping: () => isGatewayStopping }),
    ],
    log,
    requestIdOf: addresses.requestIdOf,
    observe: createObserve({ metrics, log, addresses }),
    maxConnections: config.maxConnections,
    perClient: { max: 100, keyOf: addresses.connectionKey },
    ...(config.tls ? { tls: readCertificate(config.tls) } : {}),
  });
  if (config.tls) lifecycle.onStop('certificate', keepCertificate(config.tls, http.server, log));

  lifecycle.onMessage(async (message) => {
    if (!isMessage(message)) return;
    if (message.t === 'ping') lifecycle.tell({ t: 'pong' });
    if (message.t === 'stopping') isGatewayStopping = true;
    if (message.t !== 'collect') return;
    const part = message.topic === 'nodes' ? nodes.snapshot() : await metrics.json();
    lifecycle.tell({ t: 'part', id: message.id, part });
  });
  const { host } = config;
  const port = await listen(http.server, { host, port: config.port, setting: 'PORT' });
  lifecycle.onStop('public port', () => http.stop(config.stopDelayMs), config.stopDelayMs + 4000);
  lifecycle.tell({ t: 'listening', port });
  lifecycle.ready();
};
