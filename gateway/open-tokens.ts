/** What a token check needs, in the order it is needed: store, keys, revocation log, signing, checking. */
import type { Lifecycle } from '../shared/lifecycle.js';
import type { Log } from '../shared/log.js';
import { connectRedis, quitRedis } from '../shared/redis.js';
import { patiently } from '../shared/redis-calls.js';
import { openStore } from '../shared/store.js';
import type { Config } from './config.js';
import { type OpenBackup, openBackup } from './open-backup.js';
import { isCritical } from './session-id.js';
import { loadKeys } from './tokens/keys.js';
import { createRevocations } from './tokens/revocations.js';
import { followKeys } from './tokens/rotation.js';
import { createSign } from './tokens/sign.js';
import { type Claims, createVerify } from './tokens/verify.js';

/** Access tokens live 15 minutes at the most, whatever a key holder signs. */
const maxLifeSeconds = 900;

type Given = { config: Config; lifecycle: Lifecycle; log: Log };

/** While the log is silent, the backup knows about critical sessions. */
const askBackup = (backup: OpenBackup) => (claims: Claims) =>
  backup !== undefined && isCritical(claims.sid)
    ? backup.store.check(claims).then(() => claims)
    : undefined;

export type OpenTokens = Awaited<ReturnType<typeof openTokens>>;

export const openTokens = async ({ config, lifecycle, log }: Given) => {
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
