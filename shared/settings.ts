/**
 * The settings that gateway and nodes read alike, because they must mean the same to both: where the
 * store is and whether it may forget, the secret between them, where sockets are, which zone this is.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from './env.js';
import { parseRedisUrl, withParameters } from './redis-url.js';
import { isGrantable } from './reserved.js';

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const defaultRuntimeDir = (source: NodeJS.ProcessEnv): string =>
  source.XDG_RUNTIME_DIR
    ? join(source.XDG_RUNTIME_DIR, 'floodgate')
    : join(tmpdir(), `floodgate-${process.getuid?.() ?? 0}`);

/**
 * What goes with every Redis of this program, put into its URL: certificates where it is one with TLS,
 * the password of Sentinels where it names them. Problems are left with `env`.
 */
export const createRedisUrls = (env: Env) => {
  const ca = env.optional('REDIS_CA_FILE');
  const [cert, key] = env.together('REDIS_CERT_FILE', 'REDIS_KEY_FILE') ?? [];
  const sentinel_password = env.secret('REDIS_SENTINEL_PASSWORD');
  const hasWait = env.optional('REDIS_WAIT_REPLICAS') !== undefined;
  const wait = env.int('REDIS_WAIT_REPLICAS', { default: 0, min: 0, max: 9 });

  const complete = (url: string): string => {
    const withTls = /^rediss/.test(url) ? withParameters(url, { ca, cert, key }) : url;
    return /^rediss?\+sentinel:/.test(url)
      ? withParameters(withTls, { sentinel_password })
      : withTls;
  };

  return {
    /** `setting` is named when the URL is not understood. */
    read: (setting: string, url: string): string => {
      const whole = complete(url);
      try {
        parseRedisUrl(whole);
      } catch (error) {
        env.complain(`${setting}: ${error instanceof Error ? error.message : 'not understood'}.`);
      }
      return whole;
    },
    /** Only the main store waits for as many replicas as the setting says. */
    withWait: (url: string): string =>
      hasWait ? withParameters(url, { wait_replicas: String(wait) }) : url,
    isTlsGiven: (ca ?? cert) !== undefined,
  };
};

const readMain = (env: Env, urls: ReturnType<typeof createRedisUrls>): string => {
  const url = env.requiredSecret('REDIS_URL', 'npm start brings a Redis of its own.');
  if (url === '') return url;
  if (urls.isTlsGiven && !/^rediss/.test(url))
    env.complain('REDIS_CA_FILE and REDIS_CERT_FILE need a REDIS_URL with TLS: rediss://');
  return urls.read('REDIS_URL', urls.withWait(url));
};

/** DEFAULT_SCOPES, which every new user gets: wrong ones would make each registration a 400. */
export const checkDefaultScopes = (env: Env, scopes: string): string => {
  if (!isGrantable(scopes))
    env.complain(
      'DEFAULT_SCOPES must be scopes with one space between two, 1024 characters at most: ' +
        'visible ASCII but " and \\ (RFC 6749 § 3.3), and none that begins with ext: or ext-client:.',
    );
  return scopes;
};

/** Problems are left with `env`. */
export const readShared = (env: Env, source: NodeJS.ProcessEnv, urls = createRedisUrls(env)) => ({
  redisUrl: readMain(env, urls),
  acceptDataLoss: env.flag('ACCEPT_DATA_LOSS'),
  nodeSecrets: env.rotatingSecret('NODE_SECRET', 'the secret that gateway and nodes share.'),
  runtimeDir: env.optional('RUNTIME_DIR') ?? defaultRuntimeDir(source),
  zone: env.string('ZONE', { default: 'default' }),
  logLevel: env.oneOf('LOG_LEVEL', logLevels, 'info'),
});
