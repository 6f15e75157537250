/** The store of password records that the settings name, and how it is closed. */
import type { Log } from '../../shared/log.js';
import type { RedisClient } from '../../shared/redis.js';
import type { Credentials } from './credentials.js';
import { openPostgresCredentials } from './postgres.js';
import { type Limits, openPostgres, type Postgres } from './postgres-client.js';
import { createTableCredentials } from './postgres-table.js';
import { parsePostgresUrl } from './postgres-url.js';
import { createRedisCredentials } from './redis.js';
import type { CredentialsSettings } from './settings.js';
import { readTableMap } from './table-map.js';

type Given = {
  settings: CredentialsSettings;
  redis: RedisClient;
  /** A text in a declared format, as `readHash` reads it. */
  translate: (text: string) => string;
  log: Log;
  limits?: Limits;
};

const openTable = async (
  { redis, translate, log }: Given,
  postgres: Postgres,
  table: NonNullable<CredentialsSettings['table']>,
): Promise<Credentials> => {
  const map = await readTableMap(postgres, table);
  if (!map.hasUniqueLogin)
    log.warn({ table: table.table }, 'no unique index on the login: names may be there twice');
  if (map.insertProblem !== undefined)
    log.warn({ problem: map.insertProblem }, 'accounts cannot be made in this table');
  const { defaultScopes } = table;
  return createTableCredentials({ postgres, redis, map, translate, defaultScopes, log });
};

/** Throws an Error that says what to do. */
export const openCredentials = async (
  given: Given,
): Promise<{ credentials: Credentials; close: () => Promise<void> }> => {
  const { settings, redis, log, limits } = given;
  const { url, connections, table } = settings;
  if (url === undefined)
    return { credentials: createRedisCredentials({ redis }), close: async () => {} };
  const target = parsePostgresUrl(url);
  const postgres = await openPostgres({ target, connections, log, ...(limits && { limits }) });
  try {
    const credentials =
      table === undefined
        ? await openPostgresCredentials({ postgres, redis })
        : await openTable(given, postgres, table);
    return { credentials, close: postgres.close };
  } catch (error) {
    await postgres.close();
    throw error;
  }
};
