/**
 * The settings that gateway and nodes read alike, because they must mean the same to both: where the
 * store is and whether it may forget, the secret between them, where sockets are, which zone this is.
 */
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Env } from './env.js';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const defaultRuntimeDir = (source: NodeJS.ProcessEnv): string =>
  source.XDG_RUNTIME_DIR
    ? join(source.XDG_RUNTIME_DIR, 'floodgate')
    : join(tmpdir(), `floodgate-${userInfo().uid}`);

/** Problems are left with `env`. */
export const readShared = (env: Env, source: NodeJS.ProcessEnv) => ({
  redisUrl: env.requiredSecret('REDIS_URL', 'npm start brings a Redis of its own.'),
  acceptDataLoss: env.flag('ACCEPT_DATA_LOSS'),
  nodeSecrets: env.rotatingSecret('NODE_SECRET', 'the secret that gateway and nodes share.'),
  runtimeDir: env.optional('RUNTIME_DIR') ?? defaultRuntimeDir(source),
  zone: env.string('ZONE', { default: 'default' }),
  logLevel: env.oneOf('LOG_LEVEL', logLevels, 'info'),
});
