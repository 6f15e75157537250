/**
 * POST /credentials/batch: many users with stored hashes at once, checked or written. Each hash is read
 * by the reader of the logins, within its limits, before anything is stored. The batch may be repeated:
 * every row carries its attempt id. A user whose password is known is verified first, and when that
 * fails nothing of the batch is written.
 */
import { invalidField } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import type { BatchHead, BatchResult, BatchRow, RowResult } from '../../shared/import-batch.js';
import { isWarning } from '../../shared/import-batch.js';
import { isTexts } from '../../shared/json.js';
import { linesOf, parseLine } from '../../shared/lines.js';
import { isStatus } from '../../shared/status.js';
import {
  checkAccountKey,
  checkAttemptId,
  checkName,
  checkScopes,
  checkUserId,
} from '../attempt.js';
import type {
  Created,
  Credential,
  Credentials,
  NewCredential,
} from '../credentials/credentials.js';
import { type ReadRowHash, readKeyNames, readRowHash } from '../import/read-hash.js';
import type { Admission } from '../passwords/admission.js';
import type { KeyRing } from '../passwords/keys.js';
import { toOpaque } from '../passwords/policy.js';

const maxBytes = 8 * 1024 * 1024;
const probeMs = 5000;

type Fields = Record<string, unknown>;
type Item = { row: BatchRow; read: ReadRowHash };

const textOf = (fields: Fields, name: string): string => {
  const value = fields[name];
  if (typeof value !== 'string') throw invalidField(name);
  return value;
};

const readProbe = (value: unknown): BatchHead['probe'] => {
  if (typeof value !== 'object' || value === null) return undefined;
  const at: unknown = Reflect.get(value, 'at');
  const password: unknown = Reflect.get(value, 'password');
  if (typeof at !== 'number' || typeof password !== 'string') throw invalidField('probe');
  return { at, password };
};

const readHead = (line: string): BatchHead => {
  const { write, rule, keys, probe: given } = parseLine(line) ?? {};
  if (typeof write !== 'boolean') throw invalidField('write');
  if (rule !== 'insert' && rule !== 'replace-imported') throw invalidField('rule');
  if (!isTexts(keys)) throw invalidField('keys');
  const probe = readProbe(given);
  return { write, rule, keys, ...(probe === undefined ? {} : { probe }) };
};

const readRow = (line: string): BatchRow => {
  const fields = parseLine(line) ?? {};
  const { hash, options } = fields;
  const [norm, status] = [textOf(fields, 'norm'), textOf(fields, 'status')];
  if (hash !== null && typeof hash !== 'string') throw invalidField('hash');
  if (!isTexts(options)) throw invalidField('options');
  if (norm !== 'raw' && norm !== 'nfc') throw invalidField('norm');
  if (!isStatus(status)) throw invalidField('status');
  return {
    u: checkAccountKey(textOf(fields, 'u')),
    name: checkName(textOf(fields, 'name')),
    user_id: checkUserId(textOf(fields, 'user_id')),
    attempt: checkAttemptId(textOf(fields, 'attempt')),
    format: textOf(fields, 'format'),
    scopes: checkScopes(textOf(fields, 'scopes')),
    hash,
    options,
    norm,
    status,
  };
};

const isStorable = ({ read: { stored, result } }: Item): boolean =>
  stored !== '' && (result === null || (result.found ?? []).every(isWarning));

/** Written out, as everything that is done for each of millions of rows: a spread is slow. */
const recordOf = ({ row, read }: Item): NewCredential => ({
  name: row.name,
  userId: row.user_id,
  hash: read.stored,
  norm: row.norm,
  scopes: row.scopes,
  attempt: row.attempt,
  status: row.status,
});

/** What the write says about a row, on top of what the reading said. */
const withCreated = (
  { row, read: { result } }: Item,
  created: Created | undefined,
): RowResult | null => {
  if (created === undefined) return result;
  if (created.outcome === 'exists') return { found: [...(result?.found ?? []), 'exists'] };
  return created.userId === row.user_id ? result : { ...result, id: created.userId };
};

const wouldCreate = (
  row: BatchRow,
  found: Credential | undefined,
  rule: BatchHead['rule'],
): Created => {
  const isSame = found === undefined || found.attempt === row.attempt;
  // Whether an import wrote the hash that is there is for the write to say.
  if (!isSame && rule === 'insert') return { outcome: 'exists' };
  return { outcome: 'ok', userId: found?.userId ?? row.user_id, scopes: '', gen: 0 };
};

export const createBatchRoute = (parts: {
  credentials: Credentials;
  admission: Admission;
  keys: KeyRing;
}): Route => {
  const { credentials, admission, keys } = parts;

  const verify = async ({ read: { hash }, row }: Item, password: string): Promise<boolean> => {
    if (hash === undefined) return false;
    const text = row.norm === 'raw' ? password : toOpaque(password);
    const deadlineAt = performance.now() + probeMs;
    const ticket = admission.enter({ class: 'register', deadlineAt, isGone: () => false });
    try {
      return (
        (await admission.run(ticket, hash.verify(text, keys.need(hash.keyIds)), hash.cost)) === true
      );
    } finally {
      admission.leave(ticket);
    }
  };

  /** Whether rows would be written. */
  const look = async (items: readonly Item[], rule: BatchHead['rule']): Promise<Created[]> => {
    const rows = items.map(({ row }) => row);
    const found = await credentials.findMany(rows);
    return rows.map((row, at) => wouldCreate(row, found[at], rule));
  };

  const write = (items: readonly Item[], rule: BatchHead['rule']): Promise<Created[]> =>
    credentials.createMany(
      items.map((item) => ({ u: item.row.u, record: recordOf(item) })),
      rule,
    );

  return {
    method: 'POST',
    path: '/credentials/batch',
    body: 'lines',
    maxBytes,
    handle: async (_, body) => {
      const [first = '', ...lines] = linesOf(body);
      const { write: isWrite, rule, keys: named, probe } = readHead(first);
      const names = readKeyNames(named, keys);
      const items = lines.map((line): Item => {
        const row = readRow(line);
        return { row, read: readRowHash(row, keys, names) };
      });
      const known = probe === undefined ? undefined : items[probe.at];
      const isRight =
        known === undefined || probe === undefined || (await verify(known, probe.password));
      const good = items.filter(isStorable);
      const isWritten = isWrite && isRight;
      const created = await (isWritten ? write(good, rule) : look(good, rule));
      const of = new Map(good.map((item, at) => [item, created[at]]));
      const result: BatchResult = {
        results: items.map((item) => withCreated(item, of.get(item))),
        ...(known === undefined ? {} : { probe: isRight ? 'right' : 'wrong' }),
      };
      return { status: 200, body: result };
    },
  };
};
