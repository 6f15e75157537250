/**
 * The one door to PostgreSQL: small pools, every statement bounded in time, and of several hosts the
 * one that takes writes. Nothing is sent twice. Whoever asks learns within the limit: an answer, a
 * refusal of the data itself, or AppError store_unavailable, after which a write may or may not have
 * happened. When a connection fails or a server turns out to be read-only, the hosts are looked at
 * again in the background until one takes writes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkServerIdentity } from 'node:tls';
import type { ClientConfig, Pool } from 'pg';
import { createClientContext } from '../../shared/client-context.js';
import { AppError } from '../../shared/errors.js';
import { whenLate } from '../../shared/late.js';
import type { PostgresHost, PostgresTarget } from './postgres-url.js';

export type Fields = Readonly<Record<string, string | null>>;
/** refused: what the statement asks for is not possible (its SQLSTATE); nothing was done. */
export type Answer = { rows: Fields[]; count: number; refused?: string };
type Value = string | null | readonly (string | null)[];
type Ask = (text: string, values?: readonly Value[]) => Promise<Answer>;
export type Postgres = {
  /** Within a login's patience. */
  read: Ask;
  write: Ask;
  /** Large ones, on a connection of their own. */
  bulk: Ask;
  bulkWrite: Ask;
  /** Statements without values, for the start. */
  run: (text: string) => Promise<void>;
  close: () => Promise<void>;
};
type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };
type Site = { host: PostgresHost; quick: Pool; bulk: Pool };

/** How long a caller waits at most, for a connection and the answer together. */
export type Limits = { readMs: number; writeMs: number; bulkMs: number };
const defaultLimits: Limits = { readMs: 250, writeMs: 1000, bulkMs: 10_000 };
const lookMs = 1000;
const pauseMs = 250;
const limitsOfLook = { connectionTimeoutMillis: lookMs, query_timeout: lookMs };

/** For one host: the package compares a certificate with names only, not with addresses. */
type TlsFor = (host: string) => ClientConfig['ssl'];

const createTls = ({ mode, ...files }: PostgresTarget['ssl'], log: Logs): TlsFor => {
  if (mode === 'disable') return () => false;
  const context = createClientContext({ store: 'PostgreSQL', files, log });
  return (host) => ({
    // Asked for by the package for each connection.
    get secureContext() {
      return context();
    },
    rejectUnauthorized: mode !== 'require',
    checkServerIdentity: (_, certificate) =>
      mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  });
};

/** SQLSTATE, or the system's; '' when there is none. */
const sqlCodeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

/** The server said why; anything else is the connection's end or our own limit. */
const isSqlState = (code: string): boolean => /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code);
/** Class 22: not a value of that type · 23: a constraint. */
const isRefusal = (code: string): boolean => isSqlState(code) && /^2[23]/.test(code);
/** A trigger's RAISE EXCEPTION, a view's CHECK OPTION. To a read they say nothing of the data asked for. */
const isVeto = (code: string): boolean => code === 'P0001' || code === '44000';
/** Read-only: this server is not the one to ask, on any connection that we have. */
const isWrongServer = (code: string): boolean => code === '25006';
/** The end of a session, a shutdown, a start. */
const isEnd = (code: string): boolean => /^57P0/.test(code);

const unavailable = (cause: unknown): AppError =>
  cause instanceof AppError ? cause : new AppError('store_unavailable', { cause });

const orLate = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let stopWaiting = () => {};
  const late = new Promise<never>((_, reject) => {
    const error = new AppError('store_unavailable', { detail: 'PostgreSQL is late' });
    stopWaiting = whenLate(ms, () => reject(error));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    stopWaiting();
  }
};

/** Throws an Error that says what to do when no host takes writes within `patienceMs`. */
export const openPostgres = async (options: {
  target: PostgresTarget;
  connections: number;
  log: Logs;
  limits?: Limits;
  patienceMs?: number;
}): Promise<Postgres> => {
  const { target, connections, log, limits = defaultLimits, patienceMs = 10_000 } = options;
  const { readMs, writeMs, bulkMs } = limits;
  // With the first use: most nodes keep their records in Redis.
  const { default: pg } = await import('pg');
  const common: ClientConfig = {
    ...{ user: target.user, database: target.database },
    ...(target.password !== undefined && { password: target.password }),
    ...{ application_name: 'floodgate', keepAlive: true },
    // Every value is the text that the server wrote.
    types: { getTypeParser: () => (value: string) => value },
  };
  const tlsFor = createTls(target.ssl, log);
  const at = (host: PostgresHost): ClientConfig => ({
    ...common,
    ...host,
    ssl: tlsFor(host.host),
  });
  let site: Site | undefined;
  let isClosed = false;
  let looking: Promise<void> | undefined;
  let lastProblem = '';

  const openPool = (host: PostgresHost, max: number, waitMs: number, limitMs: number): Pool => {
    const pool = new pg.Pool({
      ...{ ...at(host), max, idleTimeoutMillis: 0, connectionTimeoutMillis: waitMs },
      ...{ query_timeout: limitMs, statement_timeout: limitMs },
    });
    // An idle connection ended. The pool has forgotten it.
    pool.on('error', (error) => suspect(false, error));
    return pool;
  };

  const closeSite = (old: Site | undefined) =>
    Promise.all([old?.quick, old?.bulk].map((pool) => pool?.end().catch(() => {})));

  const take = (host: PostgresHost): void => {
    const old = site;
    const quick = openPool(host, connections, readMs, writeMs);
    site = { host, quick, bulk: openPool(host, 1, bulkMs, bulkMs) };
    void closeSite(old);
    log.info({ host: host.host, port: host.port }, 'PostgreSQL that takes writes found');
  };

  /** The host if it takes writes; rejects otherwise. */
  const probe = async (host: PostgresHost): Promise<PostgresHost> => {
    const client = new pg.Client({ ...at(host), ...limitsOfLook });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rows } = await client.query('SHOW transaction_read_only');
      if (rows[0]?.transaction_read_only !== 'off') throw new Error('read-only');
      return host;
    } catch (error) {
      lastProblem = sqlCodeOf(error) || (error instanceof Error ? error.message : 'unknown');
      throw error;
    } finally {
      void client.end().catch(() => {});
    }
  };

  const look = async (isStale: boolean): Promise<void> => {
    if (isStale) {
      void closeSite(site);
      site = undefined;
    }
    while (!isClosed) {
      const found = await Promise.any(target.hosts.map(probe)).catch(() => undefined);
      if (isClosed) return;
      if (found !== undefined) {
        if (site?.host !== found) take(found);
        else log.info({ host: found.host, port: found.port }, 'PostgreSQL is back');
        return;
      }
      await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, { ref: false });
    }
  };

  /** `isStale`: whatever is connected now is connected to the wrong server. */
  const suspect = (isStale: boolean, err: unknown): void => {
    if (isClosed || looking !== undefined) return;
    log.warn({ stale: isStale, err }, 'PostgreSQL failed or is late: its hosts are looked at');
    looking = look(isStale).finally(() => {
      looking = undefined;
    });
  };

  const poolOf = (which: 'quick' | 'bulk'): Pool => {
    if (site !== undefined) return site[which];
    throw new AppError('store_unavailable', { detail: 'no PostgreSQL takes writes' });
  };

  const ask = async (
    { which, limitMs, isWrite }: { which: 'quick' | 'bulk'; limitMs: number; isWrite: boolean },
    ...[text, values]: Parameters<Ask>
  ) => {
    const pool = poolOf(which);
    try {
      const { rows, rowCount } = await orLate(pool.query(text, [...(values ?? [])]), limitMs);
      return { rows, count: rowCount ?? 0 };
    } catch (error) {
      const code = sqlCodeOf(error);
      if (isRefusal(code) || (isWrite && isVeto(code)))
        return { rows: [], count: 0, refused: code };
      const isStale = isWrongServer(code);
      if (!isSqlState(code) || isEnd(code) || isStale) suspect(isStale, error);
      throw unavailable(error);
    }
  };

  const asker =
    (way: Parameters<typeof ask>[0]): Ask =>
    (text, values) =>
      ask(way, text, values);

  const close = async () => {
    isClosed = true;
    await closeSite(site);
  };

  looking = look(false).finally(() => {
    looking = undefined;
  });
  await orLate(looking, patienceMs).catch(() => {});
  if (site === undefined) {
    await close();
    throw new Error(
      `PostgreSQL does not answer at CREDENTIALS_URL, or takes no writes (${lastProblem}): is it running, are user, password and database right?`,
    );
  }

  return {
    read: asker({ which: 'quick', limitMs: readMs, isWrite: false }),
    write: asker({ which: 'quick', limitMs: writeMs, isWrite: true }),
    bulk: asker({ which: 'bulk', limitMs: bulkMs, isWrite: false }),
    bulkWrite: asker({ which: 'bulk', limitMs: bulkMs, isWrite: true }),
    run: async (text) => {
      await poolOf('bulk').query(text);
    },
    close,
  };
};
