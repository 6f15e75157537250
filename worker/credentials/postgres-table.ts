/**
 * Password records in a table that somebody else owns and goes on writing, so that migration happens
 * in place. The row has login, hash, and perhaps status and version; gen, user id, scopes and the last
 * attempt are in the account state in Redis, made at the account's first login. A write compares the
 * stored text, and the version column where there is one.
 * New hashes are over the bytes as sent, as the owner's own programs make and check them.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import { createAccountState, noState, type State } from './account-state.js';
import type { Created, Credential, Credentials, NewCredential, Row, Seen } from './credentials.js';
import { createFindMany } from './find-many.js';
import type { Answer, Fields, Postgres } from './postgres-client.js';
import type { TableMap } from './table-map.js';

type Logs = { warn(fields: object, text: string): void };
type Stored = {
  userId: string;
  isActive: boolean;
  name: string;
  hash: string;
  stored: string;
  version: string;
};

/** The owner's rules for its rows: a length, a check, who refers to them. */
const accept = (refused: string | undefined): void => {
  if (refused !== undefined) throw new AppError('store_refused', { detail: refused });
};

/** How a scan names rows: account keys are made of names by who has the name key, the gateway. */
const rowKey = /^row:(.+)$/s;

export const createTableCredentials = (parts: {
  postgres: Postgres;
  redis: RedisClient;
  map: TableMap;
  /** A stored text as `readHash` reads it, where it is in a declared format. */
  translate: (text: string) => string;
  defaultScopes: string;
  log: Logs;
}): Credentials => {
  const { postgres, redis, map, translate, defaultScopes, log } = parts;
  const state = createAccountState({ redis });
  const { name: table, id, login, hash, status, version } = map;
  const loginKey = map.isLower ? `lower(${login}::text)` : login;

  const columns = [
    `${id}::text AS id, ${login}::text AS login, ${hash}::text AS hash`,
    status ? `${status.column}::text AS status` : 'NULL AS status',
    version ? `${version}::text AS version` : 'NULL AS version',
  ].join(', ');

  const readStored = (row: Fields): Stored => ({
    userId: row.id ?? '',
    isActive: !status || status.active.includes(row.status ?? ''),
    name: row.login ?? '',
    hash: translate(row.hash ?? ''),
    stored: row.hash ?? '',
    version: row.version ?? '',
  });

  const toCredential = (row: Stored, its: State): Credential => ({
    ...row,
    norm: 'raw',
    scopes: its.scopes ?? defaultScopes,
    attempt: its.attempt,
    gen: its.gen,
    isActive: row.isActive && ['', 'active'].includes(its.status),
    pending: its.pending,
  });

  /** Undefined also for a key that its type does not know. */
  const readById = async (key: string): Promise<Stored | undefined> => {
    const text = `SELECT ${columns} FROM ${table} WHERE ${id} = $1`;
    const { rows } = await postgres.read(text, [key]);
    return rows[0] && readStored(rows[0]);
  };

  /** Two rows of one name are nobody. */
  const readByName = async (name: string): Promise<Stored | undefined> => {
    const text = `SELECT ${columns} FROM ${table} WHERE ${loginKey} = $1 LIMIT 2`;
    const { rows } = await postgres.read(text, [name]);
    if (rows.length > 1) log.warn({ user_id: rows[0]?.id }, 'two rows have the same login');
    return rows.length === 1 && rows[0] ? readStored(rows[0]) : undefined;
  };

  const readRow = (name: string | undefined) => (its: State) => {
    if (name) return readByName(name);
    return its.userId === '' || its.status === 'deleted'
      ? Promise.resolve(undefined)
      : readById(its.userId);
  };

  /** One write if the row is still as it was seen. */
  const replace = async (seen: Seen, newHash: string): Promise<Answer> => {
    const text = seen.stored ?? seen.hash;
    // What was read in a declared format is not rewritten for its spelling alone.
    const value = newHash === seen.hash ? text : newHash;
    return postgres.write(
      `UPDATE ${table} SET ${hash} = $3${version ? `, ${version} = ${version} + 1` : ''}
      WHERE ${id} = $1 AND coalesce(${hash}::text, '') = $2${version ? ` AND ${version}::text = $4` : ''}`,
      [seen.userId, text, value, ...(version ? [seen.version] : [])],
    );
  };

  /** The id of the new row, or undefined when the name is taken. */
  const insert = async (
    ask: Postgres['write'],
    record: NewCredential,
  ): Promise<string | undefined> => {
    if (map.insertProblem !== undefined)
      throw new AppError('store_refused', { detail: map.insertProblem });
    const given = [
      { column: login, value: record.name },
      { column: hash, value: record.hash },
      ...(map.givesId ? [{ column: id, value: record.userId }] : []),
      ...(status
        ? [{ column: status.column, value: status.active[0] ?? '', type: status.type }]
        : []),
    ];
    const values = given.map(({ type }: { type?: string }, i) => `$${i + 1}::${type ?? 'text'}`);
    const { rows, refused } = await ask(
      `INSERT INTO ${table} (${[...given.map(({ column }) => column), ...(version ? [version] : [])].join(', ')})
      SELECT ${[...values, ...(version ? ['1'] : [])].join(', ')}
      WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE ${loginKey} = $1)
      ON CONFLICT DO NOTHING RETURNING ${id}::text AS id`,
      given.map(({ value }) => value),
    );
    accept(refused);
    return rows[0]?.id ?? undefined;
  };

  const create = async (
    ask: Postgres['write'],
    { u, record }: Row<NewCredential>,
  ): Promise<Created> => {
    const { attempt, scopes, status: wanted, name } = record;
    const read = translate(record.hash);
    const isAsGiven = read === record.hash;
    let userId = isAsGiven ? await insert(ask, record) : undefined;
    if (userId === undefined) {
      // Its own row, if the hash with its salt is the one that it brings.
      const found = await readByName(name);
      if (!isAsGiven && found === undefined) accept('reads as another format');
      const isOwn = found?.hash === read;
      if (!isOwn || found === undefined) return { outcome: 'exists' };
      userId = found.userId;
    }
    const [gen = 0] = await state.enter([{ u, userId, status: wanted, attempt, endsOld: true }]);
    await state.setScopes(u, scopes);
    return { outcome: 'ok', userId, scopes, gen };
  };

  const findBy =
    (read: typeof state.readWith): Credentials['find'] =>
    async (u, name) => {
      const row = rowKey.exec(u)?.[1];
      if (row !== undefined) {
        const stored = await readById(row);
        return stored && toCredential(stored, noState);
      }
      const found = await read(u, readRow(name));
      return found && toCredential(found.record, found.state);
    };

  return {
    norm: 'raw',

    find: findBy(state.readWith),
    findMany: createFindMany(findBy(state.lookWith)),

    create: (u, record) => create(postgres.write, { u, record }),

    /** Rows of the owner are never replaced, whatever the rule. */
    createMany: async (rows) => {
      const answers: Created[] = [];
      for (const row of rows) answers.push(await create(postgres.bulkWrite, row));
      return answers;
    },

    replaceHash: async (_, seen, newHash) => {
      const { count, refused } = await replace(seen, newHash);
      accept(refused);
      return count === 1;
    },

    changePassword: async (u, seen, change) => {
      const { attempt, hash: newHash } = change;
      const last = await state.begin(u, attempt);
      if (last === undefined) return undefined;
      if (last === attempt) return state.raise(u, attempt);
      const { count, refused } = await replace(seen, newHash);
      if (count === 1) return state.raise(u, attempt);
      await state.giveUp(u, attempt);
      accept(refused);
      return undefined;
    },

    settle: state.settle,

    setScopes: (u, scopes) => state.setScopes(u, scopes),

    /** Its status is the operator's. */
    setStatus: async () => undefined,

    remove: async (u) => {
      const its = await state.look(u);
      if (its.userId === '' || its.status === 'deleted') return false;
      const text = `DELETE FROM ${table} WHERE ${id} = $1`;
      const { refused } = await postgres.write(text, [its.userId]);
      // A key that its type does not know is nobody's.
      if (!refused?.startsWith('22')) accept(refused);
      return state.end(u);
    },

    scan: async (cursor, limit) => {
      const [, after] = rowKey.exec(cursor) ?? [];
      // Not by the text that is selected under the same name: 10 comes after 9.
      const { rows } = await postgres.bulk(
        `SELECT ${columns} FROM ${table} ${after === undefined ? '' : `WHERE ${id} > $2 `}
        ORDER BY ${table}.${id} LIMIT $1::int`,
        [String(limit), ...(after === undefined ? [] : [after])],
      );
      const found = rows.map((row) => ({
        u: `row:${row.id}`,
        credential: toCredential(readStored(row), noState),
      }));
      return { cursor: rows.length < limit ? '' : `row:${rows.at(-1)?.id}`, rows: found };
    },
  };
};
