/**
 * Password records in a PostgreSQL table of our own, `floodgate.credentials`, made at the first start.
 * The account state stays in Redis (`account-state.ts`): a record is written first and its state after.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import type { Status } from '../../shared/status.js';
import { createAccountState, type State } from './account-state.js';
import type { Created, Credential, Credentials, NewCredential, Norm, Row } from './credentials.js';
import { createFindMany } from './find-many.js';
import type { Answer, Fields, Postgres } from './postgres-client.js';

const table = 'floodgate.credentials';

/** `imported` is the version that the last import wrote: while equal, the hash is still that one. */
const setup = `
BEGIN;
SELECT pg_advisory_xact_lock(1179602503);
CREATE SCHEMA IF NOT EXISTS floodgate;
CREATE TABLE IF NOT EXISTS ${table} (
  u text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  user_id text NOT NULL,
  hash text NOT NULL,
  version bigint NOT NULL,
  norm text NOT NULL,
  scopes text NOT NULL,
  attempt text NOT NULL,
  status text NOT NULL,
  imported bigint
);
COMMIT`;

const columns = 'u, name, user_id, hash, version::text, norm, scopes, attempt, status';

/** $1 to $8: u, name, user_id, hash, norm, scopes, attempt, status, one array each · $9: the rule. */
const insert = `
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::text[]) AS g (u, name, user_id, hash, norm, scopes, attempt, status)
), before AS (
  SELECT c.u, c.hash FROM ${table} c JOIN given USING (u)
), written AS (
  INSERT INTO ${table} AS c
    (u, name, user_id, hash, norm, scopes, attempt, status, version, imported)
  SELECT g.*, 1, CASE WHEN $9 = 'own' THEN NULL ELSE 1 END FROM given g
  ON CONFLICT (u) DO UPDATE SET
    name = excluded.name, hash = excluded.hash, norm = excluded.norm, scopes = excluded.scopes,
    attempt = excluded.attempt,
    status = CASE WHEN c.status = 'disabled' THEN c.status ELSE excluded.status END,
    version = c.version + 1, imported = c.version + 1
  WHERE $9 = 'replace-imported' AND c.imported = c.version AND c.attempt <> excluded.attempt
  RETURNING c.u, c.user_id, c.scopes, c.hash, c.status
)
SELECT w.u, w.user_id, w.scopes, w.status,
  CASE WHEN b.hash IS DISTINCT FROM w.hash THEN '1' ELSE '0' END AS ends_old
FROM written w LEFT JOIN before b USING (u)`;

type Rule = Parameters<Credentials['createMany']>[1] | 'own';
type Stored = Omit<Credential, 'gen' | 'isActive' | 'pending'> & { status: Status };

const statusOf = ({ status }: Fields): Status => (status === 'active' ? 'active' : 'disabled');

const readStored = (row: Fields): Stored => ({
  userId: row.user_id ?? '',
  hash: row.hash ?? '',
  version: row.version ?? '',
  norm: row.norm === 'nfc' ? 'nfc' : 'raw',
  scopes: row.scopes ?? '',
  attempt: row.attempt ?? '',
  name: row.name ?? '',
  status: statusOf(row),
});

const toCredential = ({ status, ...stored }: Stored, state: State): Credential => ({
  ...stored,
  gen: state.gen,
  isActive: (state.status || status) === 'active',
  pending: state.pending,
});

/** A refused value was no valid record in the first place, and triggers are not ours. */
const accept = (answer: Answer): Answer => {
  if (answer.refused !== undefined)
    throw new AppError('internal', { detail: `PostgreSQL refused a record: ${answer.refused}` });
  return answer;
};

/** The rows of one statement have different keys: each k-th record of an account is in the k-th part. */
const splitRepeated = <T extends { u: string }>(rows: readonly T[]): T[][] => {
  const parts: T[][] = [];
  const seen = new Map<string, number>();
  for (const row of rows) {
    const k = seen.get(row.u) ?? 0;
    seen.set(row.u, k + 1);
    const part = parts[k] ?? [];
    part.push(row);
    parts[k] = part;
  }
  return parts;
};

/** Makes the table where there is none; throws what the start reports. */
export const openPostgresCredentials = async (parts: {
  postgres: Postgres;
  redis: RedisClient;
}): Promise<Credentials> => {
  const { postgres, redis } = parts;
  const state = createAccountState({ redis });
  const { rows: found } = await postgres.bulk(`SELECT to_regclass('${table}') AS name`);
  if (found[0]?.name == null) await postgres.run(setup);

  const readRow = async (u: string): Promise<Stored | undefined> => {
    const { rows } = await postgres.read(`SELECT ${columns} FROM ${table} WHERE u = $1`, [u]);
    return rows[0] && readStored(rows[0]);
  };

  /** Rows of different accounts. */
  const insertRows = async (
    ask: Postgres['write'],
    rows: readonly Row<NewCredential>[],
    rule: Rule,
  ): Promise<Map<string, Created>> => {
    const list = (field: keyof NewCredential) => rows.map(({ record }) => record[field]);
    const us = rows.map(({ u }) => u);
    const fields = ['name', 'userId', 'hash', 'norm', 'scopes', 'attempt', 'status'] as const;
    const { rows: written } = accept(await ask(insert, [us, ...fields.map(list), rule]));
    const done = new Map(written.map((row) => [row.u ?? '', row]));
    const left = us.filter((u) => !done.has(u));
    if (left.length > 0) {
      const known = await ask(`SELECT ${columns} FROM ${table} WHERE u = ANY($1)`, [left]);
      const attempts = new Map(rows.map(({ u, record }) => [u, record.attempt]));
      for (const row of known.rows)
        if (row.attempt === attempts.get(row.u ?? '')) done.set(row.u ?? '', row);
    }
    const mine = rows.flatMap(({ u, record }) => {
      const row = done.get(u);
      return row === undefined ? [] : [{ u, row, record }];
    });
    const gens = await state.enter(
      // As the row says it: whom an operator disabled is so there, too.
      mine.map(({ u, row, record }) => ({
        ...{ u, userId: row.user_id ?? '', status: statusOf(row), attempt: record.attempt },
        endsOld: row.ends_old !== '0',
      })),
    );
    return new Map(
      mine.map(({ u, row }, i) => [
        u,
        { outcome: 'ok', userId: row.user_id ?? '', scopes: row.scopes ?? '', gen: gens[i] ?? 0 },
      ]),
    );
  };

  const replace = async (
    u: string,
    seen: { hash: string; version: string },
    change: { hash: string; norm: Norm; attempt?: string },
  ): Promise<boolean> => {
    const answer = await postgres.write(
      `UPDATE ${table} SET hash = $4, norm = $5, attempt = coalesce($6, attempt),
        version = version + 1
      WHERE u = $1 AND hash = $2 AND version = $3::bigint AND attempt IS DISTINCT FROM $6`,
      [u, seen.hash, seen.version, change.hash, change.norm, change.attempt ?? null],
    );
    return accept(answer).count === 1;
  };

  const findBy =
    (read: typeof state.readWith): Credentials['find'] =>
    async (u) => {
      const found = await read(u, () => readRow(u));
      return found && toCredential(found.record, found.state);
    };

  return {
    norm: 'nfc',
    find: findBy(state.readWith),
    findMany: createFindMany(findBy(state.lookWith)),

    create: async (u, record) => {
      const created = await insertRows(postgres.write, [{ u, record }], 'own');
      return created.get(u) ?? { outcome: 'exists' };
    },

    createMany: async (rows, rule) => {
      const answers = new Map<Row<NewCredential>, Created>();
      for (const part of splitRepeated(rows)) {
        const created = await insertRows(postgres.bulkWrite, part, rule);
        for (const row of part) answers.set(row, created.get(row.u) ?? { outcome: 'exists' });
      }
      return rows.map((row) => answers.get(row) ?? { outcome: 'exists' });
    },

    replaceHash: (u, seen, hash, norm) => replace(u, seen, { hash, norm }),

    changePassword: async (u, seen, { hash, attempt }) => {
      if ((await state.begin(u, attempt)) === undefined) return undefined;
      const isWritten = await replace(u, seen, { hash, norm: 'nfc', attempt });
      if (isWritten || (await readRow(u))?.attempt === attempt) return state.raise(u, attempt);
      await state.giveUp(u, attempt);
      return undefined;
    },

    settle: state.settle,

    setScopes: async (u, scopes) => {
      const text = `UPDATE ${table} SET scopes = $2 WHERE u = $1`;
      return accept(await postgres.write(text, [u, scopes])).count === 1;
    },

    setStatus: async ({ u, userId }, status) => {
      const text = `UPDATE ${table} SET status = $3 WHERE u = $1 AND user_id = $2`;
      accept(await postgres.write(text, [u, userId, status]));
    },

    remove: async (u) => {
      const { count } = accept(await postgres.write(`DELETE FROM ${table} WHERE u = $1`, [u]));
      const isEnded = await state.end(u);
      return count === 1 || isEnded;
    },

    scan: async (cursor, limit) => {
      const { rows } = await postgres.bulk(
        `SELECT ${columns} FROM ${table} WHERE u > $1 ORDER BY u LIMIT $2::int`,
        [cursor, String(limit)],
      );
      const us = rows.map((row) => row.u ?? '');
      const states = await state.lookMany(us);
      const found = us.flatMap((u, i) => {
        const [row, its] = [rows[i], states[i]];
        return row && its ? [{ u, credential: toCredential(readStored(row), its) }] : [];
      });
      return { cursor: rows.length < limit ? '' : (us.at(-1) ?? ''), rows: found };
    },
  };
};
