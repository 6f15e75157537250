/**
 * The gateway's settings (design § 8): environment in, one frozen typed object out, all problems
 * reported together.
 */
import { isLoopback, isNetwork } from '../shared/address.js';
import { createEnv, type Env, mask } from '../shared/env.js';
import { readIdentityFiles } from '../shared/identity.js';
import { countCpus } from '../shared/machine.js';
import { checkDefaultScopes, createRedisUrls, readShared } from '../shared/settings.js';
import { readIssuers } from './issuers/settings.js';
import { maxTokenMs } from './tokens/life.js';

export type Config = ReturnType<typeof loadConfig>;

const secretNames = [
  ...['adminToken', 'metricsToken', 'redisUrl', 'backupRedisUrl', 'nodeSecrets'],
  ...['kek', 'previousKek'],
];
const day = 86_400_000;

const readTls = (env: Env) => {
  const [certFile, keyFile] = env.together('TLS_CERT_FILE', 'TLS_KEY_FILE') ?? [];
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
};

/** `allow:30s` or `deny`: for how long token checks go on when the revocation log is lost. */
const readStoreLoss = (env: Env): number => {
  const text = env.optional('VERIFY_ON_STORE_LOSS') ?? 'allow:30s';
  if (text === 'deny') return 1000;
  const match = /^allow:(\d{1,4})s$/.exec(text);
  const seconds = Number(match?.[1] ?? Number.NaN);
  if (seconds >= 1 && seconds <= 3600) return seconds * 1000;
  env.complain('VERIFY_ON_STORE_LOSS must be deny or allow:Ns with N from 1 to 3600.');
  return 1000;
};

/** `current` or `current,previous`: the first seals the keyring, both open it. */
const readKek = (env: Env) => {
  const text = env.requiredSecret('KEY_ENCRYPTION_KEY', '32 random bytes in base64url.');
  const [kek = Buffer.alloc(0), previousKek, ...rest] = text
    .split(',')
    .map((part) => Buffer.from(part.trim(), 'base64url'));
  const isRight = kek.length === 32 && (previousKek?.length ?? 32) === 32 && rest.length === 0;
  if (text !== '' && !isRight)
    env.complain(
      'KEY_ENCRYPTION_KEY must be 32 bytes in base64url (43 characters), or two as "current,previous".',
    );
  return { kek, previousKek };
};

/** 0 = never. Long enough for an edge to hear of a key before its first signature. */
const readRotation = (env: Env): number => {
  const ms = env.durationMs('KEY_ROTATION_INTERVAL', { default: 30 * day });
  if (ms > 0 && ms < 10_000)
    env.complain('KEY_ROTATION_INTERVAL must be 0s (never) or at least 10s.');
  return ms;
};

const adminHint = 'the bearer token of the admin port.';

/** A secret that must fit into an Authorization header and not be guessable. */
const readBearer = <T extends string | undefined>(env: Env, name: string, token: T): T => {
  if (token && !/^[A-Za-z0-9\-._~+/]{16,}=*$/.test(token))
    env.complain(`${name} must have at least 16 characters, all of them A-Z a-z 0-9 - . _ ~ + /`);
  return token;
};

const readAdmin = (env: Env, hasTls: boolean) => {
  const adminHost = env.string('ADMIN_HOST', { default: '127.0.0.1' });
  if (!isLoopback(adminHost) && !hasTls)
    env.complain('ADMIN_HOST off loopback needs TLS_CERT_FILE and TLS_KEY_FILE.');
  return {
    adminHost,
    adminPort: env.int('ADMIN_PORT', { default: 9464, min: 0, max: 65_535 }),
    adminToken: readBearer(env, 'ADMIN_TOKEN', env.requiredSecret('ADMIN_TOKEN', adminHint)),
    metricsToken: readBearer(env, 'METRICS_TOKEN', env.secret('METRICS_TOKEN')),
  };
};

/** RFC 8414 § 2, but for `https`: the default is a gateway on this machine. */
const readIssuer = (env: Env, port: number): string => {
  const issuer = env.string('ISSUER', { default: `http://localhost:${port}` });
  if (!/^https?:\/\/[^/?#\s][^?#\s]*$/.test(issuer) || !URL.canParse(issuer))
    env.complain(
      'ISSUER must be an absolute http or https URL such as https://auth.example, without query ' +
        'and fragment (RFC 8414 § 2).',
    );
  return issuer;
};

const readTokens = (env: Env, port: number) => {
  const issuer = readIssuer(env, port);
  return {
    issuer,
    audience: env.string('AUDIENCE', { default: issuer }),
    tokenAlg: env.oneOf('ACCESS_TOKEN_ALG', ['EdDSA', 'RS256', 'ES256'] as const, 'EdDSA'),
    keyIntervalMs: readRotation(env),
    accessTtlMs: env.durationMs('ACCESS_TOKEN_TTL', {
      default: 600_000,
      min: 10_000,
      max: maxTokenMs,
    }),
    sessionIdleMs: env.durationMs('SESSION_IDLE_TTL', { default: 7 * day, min: 60_000 }),
    sessionMaxMs: env.durationMs('SESSION_MAX_TTL', { default: 30 * day, min: 60_000 }),
    verifyOnStoreLossMs: readStoreLoss(env),
  };
};

const readProxies = (env: Env): string[] => {
  const proxies = env.list('TRUSTED_PROXIES');
  if (!proxies.every(isNetwork))
    env.complain('TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, with commas.');
  return proxies;
};

/** Compared letter by letter with what browsers send, so only their own spelling will do. */
const readOrigins = (env: Env): string[] => {
  const origins = env.list('CORS_ORIGINS');
  const isOrigin = (text: string) =>
    /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
  if (!origins.every(isOrigin))
    env.complain('CORS_ORIGINS must be origins such as https://app.example, with commas.');
  return origins;
};

const readFloor = (env: Env): number => {
  const floorMs = env.durationMs('LOGIN_FAILURE_FLOOR', { default: 300, max: 2000 });
  if (floorMs > 0 && floorMs < 100)
    env.complain('LOGIN_FAILURE_FLOOR below 100ms hides nothing: set more, or 0ms to measure.');
  return floorMs;
};

/** Throws ConfigError with every problem. */
export const loadConfig = (source: NodeJS.ProcessEnv) => {
  const env = createEnv(source);
  const port = env.int('PORT', { default: 8080, min: 0, max: 65_535 });
  const tls = readTls(env);
  const urls = createRedisUrls(env);
  const backupUrl = env.secret('BACKUP_REDIS_URL');
  const tokens = readTokens(env, port);
  const config = {
    host: env.string('HOST', { default: '0.0.0.0' }),
    port,
    tls,
    edges: env.int('EDGES', { default: countCpus(), min: 1, max: 256 }),
    ...readAdmin(env, tls !== undefined),
    ...tokens,
    externalIssuers: readIssuers(env, env.secret('EXTERNAL_ISSUERS'), tokens.issuer),
    ...readShared(env, source, urls),
    backupRedisUrl: backupUrl && urls.read('BACKUP_REDIS_URL', backupUrl),
    nodeTls: readIdentityFiles(env),
    ...readKek(env),
    trustedProxies: readProxies(env),
    corsOrigins: readOrigins(env),
    registration: env.oneOf('REGISTRATION', ['open', 'closed'] as const, 'closed'),
    defaultScopes: checkDefaultScopes(env, env.string('DEFAULT_SCOPES', { default: 'account' })),
    failureFloorMs: readFloor(env),
    maxConnections: env.int('MAX_CONNECTIONS', { default: 10_000, min: 10, max: 1_000_000 }),
    stopDelayMs: env.durationMs('STOP_DELAY', { default: 300, max: 30_000 }),
  };
  env.check();
  return Object.freeze(config);
};

/** For --check-config: everything but the secrets. */
export const maskConfig = (config: Config): object => ({
  ...mask(config, secretNames),
  externalIssuers: config.externalIssuers.map((issuer) => mask(issuer, ['clientSecret'])),
});
