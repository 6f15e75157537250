/**
 * An operator's table of users, by its mapping: which column is what, quoted and looked up once at the
 * start, so that a wrong name, a hash column too short for a new hash or a table that nobody may write
 * is a refusal to start and not a failed login. Nothing of the mapping comes from data.
 */
import type { Fields, Postgres } from './postgres-client.js';

export type TableSettings = {
  /** `users` or `schema.users`. */
  table: string;
  id: string;
  login: string;
  hash: string;
  /** Compared as text with the values that mean active; the first one is written. */
  status: { column: string; active: readonly string[] } | undefined;
  version: string | undefined;
  /** The login column is compared by lower(login): there is an index on that. */
  isLower: boolean;
};
export type TableMap = Awaited<ReturnType<typeof readTableMap>>;

/**
 * Room for every new hash, and for most that a campaign wraps; the longest of those have 1024 characters,
 * and what the column does not take the campaign counts as failed.
 */
const minHashLength = 255;

/** One identifier, or `schema.name`: letters, digits, _, $ and - as they are spelled in the catalog. */
export const isIdentifier = (text: string): boolean => /^[A-Za-z_][\w$-]{0,62}$/.test(text);
export const isTableName = (text: string): boolean => text.split('.').every(isIdentifier);

const quote = (name: string): string => `"${name}"`;

const catalog = `
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
  CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar')
    THEN (a.atttypmod - 4)::text END AS length,
  (t.typcategory = 'S')::text AS is_text,
  (a.attnotnull AND NOT a.atthasdef AND a.attidentity = '')::text AS is_needed
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`;

/** Of unique indexes on one column or expression, and over all rows: what it is, and the login's name. */
const uniqueKeys = `
SELECT pg_get_indexdef(indexrelid, 1, true) AS key, quote_ident($2) AS login FROM pg_index
WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indpred IS NULL
  AND indnkeyatts = 1`;

const rights = `
SELECT has_table_privilege(to_regclass($1), 'SELECT')::text AS may_read,
  has_any_column_privilege(to_regclass($1), 'UPDATE')::text AS may_write`;

/** Whether one of them is the login, or lower() of it. */
const hasUniqueLogin = (rows: readonly Fields[], isLower: boolean): boolean =>
  rows.some(({ key, login }) =>
    isLower ? [`lower(${login})`, `lower(${login}::text)`].includes(key ?? '') : key === login,
  );

/** Throws an Error with every problem. */
export const readTableMap = async (postgres: Postgres, settings: TableSettings) => {
  const { id, login, hash, status, version } = settings;
  const name = settings.table.split('.').map(quote).join('.');
  const { rows } = await postgres.bulk(catalog, [name]);
  const columns = new Map(rows.map((row) => [row.name ?? '', row]));
  const mapped = [id, login, hash, status?.column, version].flatMap((column) => column ?? []);
  const problems = mapped
    .filter((column) => !columns.has(column))
    .map((column) => `there is no column ${column}`);
  if (rows.length === 0) problems.splice(0, problems.length, 'there is no such table');
  const length = columns.get(hash)?.length;
  if (length != null && Number(length) < minHashLength)
    problems.push(`${hash} holds ${length} characters: ALTER COLUMN ${hash} TYPE text`);
  const [may] = rows.length === 0 ? [] : (await postgres.bulk(rights, [name])).rows;
  if (may?.may_read === 'false' || may?.may_write === 'false')
    problems.push('this user may not SELECT from it and UPDATE it');
  if (problems.length > 0)
    throw new Error(`CREDENTIALS_TABLE ${settings.table}: ${problems.join('; ')}.`);

  const typeOf = (column: string): string => columns.get(column)?.type ?? 'text';
  const needed = rows.filter((row) => row.is_needed === 'true').map((row) => row.name ?? '');
  const isTextId = columns.get(id)?.is_text === 'true';
  // A key of another type must come from the table.
  const givesId = isTextId && needed.includes(id);
  const unmapped = needed.filter((column) => !mapped.includes(column));
  const { rows: indexes } = await postgres.bulk(uniqueKeys, [name, login]);
  return {
    name,
    id: quote(id),
    login: quote(login),
    hash: quote(hash),
    status: status && {
      column: quote(status.column),
      type: typeOf(status.column),
      active: status.active,
    },
    version: version === undefined ? undefined : quote(version),
    isLower: settings.isLower,
    givesId,
    /** Why a new account cannot be a row; undefined when it can. */
    insertProblem:
      unmapped.length > 0 || (!givesId && needed.includes(id))
        ? `columns without a default: ${[...unmapped, ...(givesId ? [] : [id])].join(', ')}`
        : undefined,
    hasUniqueLogin: hasUniqueLogin(indexes, settings.isLower),
  };
};
