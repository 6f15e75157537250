/**
 * One line of an import file (reference legacy-hashes § 5.8) into what a node can check and store. All
 * problems of a line are collected, so that a file needs one round of repairs, not one per field.
 * Names become account keys here; the hash is looked at by the node only.
 */
import { isAppError } from '../../shared/errors.js';
import type { BatchRow } from '../../shared/import-batch.js';
import { isObject } from '../../shared/json.js';
import { parseLine } from '../../shared/lines.js';
import { isGrantable } from '../../shared/reserved.js';
import { isStatus } from '../../shared/status.js';
import { accountIn, isUserId } from '../user-id.js';
import type { Accounts } from '../username.js';
import type { Marks } from './marks.js';
import { type Problem, problem } from './problems.js';

type Fields = Record<string, unknown>;
export type Defaults = Fields;
/** `id` and `login` for the results, where the line has good ones. */
export type ReadRow = {
  id?: string;
  login?: string;
  problems: Problem[];
  row?: BatchRow;
};

const known = new Set([
  ...['id', 'login', 'hash', 'format', 'alg', 'order', 'template', 'encoding', 'salt', 'params'],
  ...['key', 'norm', 'scopes', 'status'],
]);
/** Keycloak's records are JSON. */
const maxHash = 4096;
const wordForm = /^[A-Za-z0-9+>_{}().:-]{1,128}$/;
const words = ['alg', 'order', 'template', 'encoding', 'key'] as const;
const isWord = (text: string) => wordForm.test(text);
const isNorm = (text: string) => text === 'raw' || text === 'nfc';

/** Tagged bytes as canonical base64; undefined for anything else. */
const readBytes = (value: unknown): string | undefined => {
  if (!isObject(value)) return undefined;
  const [[tag, text] = []] = Object.entries(value);
  if (typeof text !== 'string' || Object.keys(value).length !== 1) return undefined;
  if (tag === 'utf8') return Buffer.from(text).toString('base64');
  if (tag === 'hex')
    return /^(?:[0-9a-fA-F]{2})*$/.test(text)
      ? Buffer.from(text, 'hex').toString('base64')
      : undefined;
  if (tag !== 'b64' || text.length % 4 === 1) return undefined;
  const base64 = Buffer.from(text, 'base64').toString('base64');
  return base64.replace(/=+$/, '') === text.replace(/={1,2}$/, '') ? base64 : undefined;
};

/** A string of its own spelling, tagged bytes as hex or base64 text, or null for no password. */
const readHashField = (
  value: unknown,
  problems: Problem[],
): { hash: string | null; encoding?: string } => {
  const refuse = (code: Problem['code']) => {
    problems.push(problem(code, 'hash'));
    return { hash: null };
  };
  if (value === null) return { hash: null };
  if (value === undefined) return refuse('E_FIELD_MISSING');
  if (typeof value === 'string') {
    const isText = value.length <= maxHash && value.isWellFormed();
    return isText ? { hash: value } : refuse('E_HASH_LENGTH');
  }
  if (!isObject(value)) return refuse('E_FIELD_TYPE');
  const bytes = readBytes(value);
  if (bytes === undefined || bytes.length > maxHash) return refuse('E_BASE64');
  if (value.utf8 !== undefined) return { hash: String(value.utf8) };
  return value.hex === undefined
    ? { hash: bytes, encoding: 'base64' }
    : { hash: String(value.hex), encoding: 'hex' };
};

/** One entry of `params`: a number, a word, or tagged bytes; `salt` is tagged bytes too. */
const readOption = (name: string, value: unknown, problems: Problem[]): string => {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return String(value);
  if (typeof value === 'string' && wordForm.test(value) && name !== 'salt') return value;
  const bytes = readBytes(value);
  if (bytes === undefined)
    problems.push(problem(isObject(value) || name === 'salt' ? 'E_BASE64' : 'E_FIELD_TYPE', name));
  return bytes ?? '';
};

const noOptions: Record<string, string> = {};

const readOptions = (
  fields: Fields,
  encoding: string | undefined,
  problems: Problem[],
): Record<string, string> => {
  const { params, salt } = fields;
  const said = words.filter((name) => fields[name] !== undefined);
  // Most hashes say everything themselves.
  if (encoding === undefined && params === undefined && salt === undefined && said.length === 0)
    return noOptions;
  const options: Record<string, string> = {};
  if (params !== undefined && !isObject(params)) problems.push(problem('E_FIELD_TYPE', 'params'));
  for (const [name, value] of Object.entries(isObject(params) ? params : {}))
    options[name] = readOption(name, value, problems);
  if (salt !== undefined) {
    options.salt = readOption('salt', salt, problems);
    options['salt-encoding'] = 'base64';
  }
  for (const name of said) {
    const value = fields[name];
    if (typeof value === 'string' && wordForm.test(value)) options[name] = value;
    else problems.push(problem('E_FIELD_TYPE', name));
  }
  if (encoding !== undefined) options.encoding = encoding;
  return options;
};

const readText = (
  fields: Fields,
  name: string,
  isRight: (text: string) => boolean,
  problems: Problem[],
): string | undefined => {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && isRight(value)) return value;
  problems.push(problem('E_FIELD_TYPE', name));
  return undefined;
};

const readLogin = (fields: Fields, accounts: Accounts, problems: Problem[]) => {
  const { login } = fields;
  if (typeof login !== 'string') {
    problems.push(problem(login === undefined ? 'E_FIELD_MISSING' : 'E_FIELD_TYPE', 'login'));
    return undefined;
  }
  try {
    return accounts(login);
  } catch (error) {
    if (!isAppError(error)) throw error;
    const isLength = error.reason === 'username_length';
    const said = isLength
      ? 'It needs 1 to 256 characters.'
      : 'It has a character not allowed here.';
    problems.push(problem('E_FIELD_TYPE', 'login', said));
    return undefined;
  }
};

/** An id of ours names its account, so it fits no other one. */
const isFitting = (id: string, u: string): boolean =>
  !id.startsWith('c_') && (!id.startsWith('u_') || u === '' || accountIn(id) === u);

/** Numbers are taken too: databases count their users. */
const readId = (fields: Fields, u: string, problems: Problem[]): string | undefined => {
  const { id } = fields;
  if (id === undefined) return undefined;
  const text = Number.isSafeInteger(id) ? String(id) : id;
  if (typeof text === 'string' && isUserId(text) && isFitting(text, u)) return text;
  problems.push(problem('E_FIELD_TYPE', 'id'));
  return undefined;
};

/** What the line does not say is as the header has it. The line is changed. */
const fill = (fields: Fields, defaults: Defaults): Fields => {
  for (const name in defaults) if (!(name in fields)) fields[name] = defaults[name];
  return fields;
};

/** Never throws. A file has millions of lines: nothing is copied here that need not be. */
export const readImportRow = (
  text: string,
  defaults: Defaults,
  { accounts, marks }: { accounts: Accounts; marks: Marks },
): ReadRow => {
  const parsed = parseLine(text);
  if (parsed === undefined) return { problems: [problem('E_JSON')] };
  const problems: Problem[] = [];
  const fields = fill(parsed, defaults);
  for (const name in fields)
    if (!known.has(name)) problems.push(problem('E_FIELD_TYPE', name.slice(0, 64)));
  const account = readLogin(fields, accounts, problems);
  const id = readId(fields, account?.u ?? '', problems);
  const scopes = readText(fields, 'scopes', isGrantable, problems) ?? '';
  const status = readText(fields, 'status', isStatus, problems);
  const norm = readText(fields, 'norm', isNorm, problems);
  const format = readText(fields, 'format', isWord, problems) ?? '';
  const { hash, encoding } = readHashField(fields.hash, problems);
  const options = readOptions(fields, encoding, problems);
  const read: ReadRow = { problems };
  if (id !== undefined) read.id = id;
  if (account !== undefined) read.login = account.name;
  if (problems.length > 0 || account === undefined) return read;
  const row: BatchRow = {
    u: account.u,
    name: account.name,
    user_id: id ?? '',
    attempt: '',
    format,
    hash,
    options,
    norm: norm === 'nfc' ? 'nfc' : 'raw',
    scopes,
    status: status === 'disabled' ? 'disabled' : 'active',
  };
  row.attempt = marks.attemptOf(id, row);
  if (id === undefined) row.user_id = marks.idOf(row.u, row.attempt);
  read.row = row;
  return read;
};
