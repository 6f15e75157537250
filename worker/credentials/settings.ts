/** Where password records are: settings of the user store (docs/user-store.md). */
import type { Env } from '../../shared/env.js';
import { parsePostgresUrl } from './postgres-url.js';
import { isIdentifier, isTableName, type TableSettings } from './table-map.js';

export type CredentialsSettings = {
  /** Undefined: in Redis. */
  url: string | undefined;
  connections: number;
  /** Undefined: a table of our own. */
  table: (TableSettings & { format: string | undefined; defaultScopes: string }) | undefined;
};

const schemas = ['own', 'table'] as const;

const readTable = (env: Env): CredentialsSettings['table'] => {
  const name = (setting: string, text: string, isGood = isIdentifier): string => {
    if (text !== '' && !isGood(text)) env.complain(`${setting} is not a name in PostgreSQL.`);
    return text;
  };
  const table = env.string('CREDENTIALS_TABLE');
  const id = env.string('CREDENTIALS_ID_COLUMN', { default: 'id' });
  const login = env.string('CREDENTIALS_LOGIN_COLUMN');
  const hash = env.string('CREDENTIALS_HASH_COLUMN');
  const status = env.optional('CREDENTIALS_STATUS_COLUMN');
  const active = env.list('CREDENTIALS_STATUS_ACTIVE');
  const version = env.optional('CREDENTIALS_VERSION_COLUMN');
  if ((status === undefined) !== (active.length === 0))
    env.complain('CREDENTIALS_STATUS_COLUMN and CREDENTIALS_STATUS_ACTIVE go together.');
  return {
    table: name('CREDENTIALS_TABLE', table, isTableName),
    id: name('CREDENTIALS_ID_COLUMN', id),
    login: name('CREDENTIALS_LOGIN_COLUMN', login),
    hash: name('CREDENTIALS_HASH_COLUMN', hash),
    status:
      status === undefined
        ? undefined
        : { column: name('CREDENTIALS_STATUS_COLUMN', status), active },
    version: version && name('CREDENTIALS_VERSION_COLUMN', version),
    isLower: env.flag('CREDENTIALS_LOGIN_LOWER'),
    format: env.optional('CREDENTIALS_FORMAT'),
    defaultScopes: env.string('DEFAULT_SCOPES', { default: 'account' }),
  };
};

/** Problems are left with `env`. */
export const readCredentials = (env: Env): CredentialsSettings => {
  const url = env.secret('CREDENTIALS_URL');
  const connections = env.int('CREDENTIALS_CONNECTIONS', { default: 4, min: 1, max: 32 });
  const schema = env.oneOf('CREDENTIALS_SCHEMA', schemas, 'own');
  if (url === undefined) {
    if (schema === 'table') env.complain('CREDENTIALS_SCHEMA=table needs CREDENTIALS_URL.');
    return { url, connections, table: undefined };
  }
  try {
    parsePostgresUrl(url);
  } catch (error) {
    env.complain(`CREDENTIALS_URL: ${error instanceof Error ? error.message : 'not understood'}.`);
  }
  return { url, connections, table: schema === 'table' ? readTable(env) : undefined };
};
