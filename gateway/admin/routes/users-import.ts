/**
 * POST /users/import: a batch of an import file, as `floodgate users import` sends it. The first line is
 * the head, `{write, rule, keys, defaults, ids, probe}`; then the lines of the file, each behind its number.
 * Without `write` it is read as far as a node would, and nothing is written.
 */
import { AppError } from '../../../shared/errors.js';
import { invalidField } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import { isObject, isTexts } from '../../../shared/json.js';
import { linesOf, parseLine } from '../../../shared/lines.js';
import type { BatchAsk, createBatch } from '../../import/batch.js';

const maxBytes = 8 * 1024 * 1024;
const maxLines = 2000;

const readProbe = (value: unknown): BatchAsk['probe'] => {
  if (value === undefined) return undefined;
  if (!isTexts(value) || value.password === undefined) throw invalidField('probe');
  const { id, login, password } = value;
  if ((id === undefined) === (login === undefined)) throw invalidField('probe');
  return {
    password,
    ...(id === undefined ? {} : { id }),
    ...(login === undefined ? {} : { login }),
  };
};

const readHead = (text: string, defaultScopes: string): BatchAsk => {
  const {
    write,
    rule,
    keys = {},
    defaults = {},
    ids = false,
    probe: given,
  } = parseLine(text) ?? {};
  if (typeof write !== 'boolean') throw invalidField('write');
  if (rule !== 'insert' && rule !== 'replace-imported') throw invalidField('rule');
  if (typeof ids !== 'boolean') throw invalidField('ids');
  if (!isTexts(keys)) throw invalidField('keys');
  if (!isObject(defaults)) throw invalidField('defaults');
  const probe = readProbe(given);
  const ask: BatchAsk = {
    write,
    rule,
    keys,
    ids,
    defaults: { scopes: defaultScopes, ...defaults },
  };
  return { ...ask, ...(probe === undefined ? {} : { probe }) };
};

export const createImportRoute = ({
  batch,
  defaultScopes,
}: {
  batch: ReturnType<typeof createBatch>;
  defaultScopes: string;
}): Route => ({
  method: 'POST',
  path: '/users/import',
  body: 'lines',
  maxBytes,
  handle: async (ctx, body) => {
    const [first = '', ...lines] = linesOf(body);
    if (lines.length > maxLines) throw new AppError('payload_too_large');
    const ask = readHead(first, defaultScopes);
    ctx.facts = { lines: lines.length, written: ask.write };
    const answer = await batch(lines, ask);
    ctx.facts = { ...ctx.facts, ok: answer.ok };
    return { status: 200, body: answer };
  },
});
