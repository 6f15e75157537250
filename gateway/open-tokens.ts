/** What a token check needs, in the order it is needed: store, keys, revocation log, signing, checking. */
import { AppError } from '../shared/errors.js';
import type { Lifecycle } from '../shared/lifecycle.js';
import type { Log } from '../shared/log.js';
import { connectRedis, quitRedis } from '../shared/redis.js';
import { patiently } from '../shared/redis-calls.js';
import { openStore } from '../shared/store.js';
import type { Config } from './config.js';
import { type OpenBackup, openBackup, openReads } from './sessions/open-backup.js';
import { isCritical } from './sessions/session-id.js';
import { loadKeys } from './tokens/keys.js';
import { createRevocations } from './tokens/revocations.js';
import { createRevoked } from './tokens/revoked.js';
import { followKeys } from './tokens/rotation.js';
import { createSign } from './tokens/sign.js';
import { type Claims, createVerify } from './tokens/verify.js';

type Settings = Pick<
  Config,
  | 'redisUrl'
  | 'backupRedisUrl'
  | 'acceptDataLoss'
  | 'issuer'
  | 'audience'
  | 'accessTtlMs'
  | 'sessionIdleMs'
  | 'sessionMaxMs'
  | 'kek'
  | 'previousKek'
  | 'tokenAlg'
  | 'keyIntervalMs'
  | 'verifyOnStoreLossMs'
>;
type Given = { config: Settings; lifecycle: Lifecycle; log: Log };

/** While the log is silent, the backup knows about critical sessions. */
const askBackup = (backup: OpenBackup) => {
  if (backup === undefined) return undefined;
  const revoked = createRevoked({ redis: backup.client });
  const ask = async (claims: Claims): Promise<Claims> => {
    const [isRevoked] = await Promise.all([revoked.has(claims), backup.store.check(claims)]);
    if (isRevoked) throw new AppError('session_ended');
    return claims;
  };
  return (claims: Claims) => (isCritical(claims.sid) ? ask(claims) : undefined);
};

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
  const ttlSeconds = Math.floor(accessTtlMs / 1000);
  const sign = createSign({ keys, issuer, audience, ttlSeconds });
  const common = { keys, issuer, revocations, whenUnknown: askBackup(backup) };
  const verifier = createVerify({ ...common, audience });
  // Introspection sees the tokens of every resource server.
  const { verify: verifyIssued, verifySigned, mayHaveBeen } = createVerify(common);
  const reads = openReads({ config, redis, backup, log });
  const issued = { verifyIssued, verifySigned, mayHaveBeen };
  return { redis, backup, keys, revocations, sign, verifier, ...issued, reads };
};
