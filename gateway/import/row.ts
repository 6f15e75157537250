/**
 * One line of an import file (reference legacy-hashes § 5.8) into what a node can check and store. All
 * problems of a line are collected, so that a file needs one round of repairs, not one per field.
 * Names become account keys here; the hash is looked at by the node only.
 */
import { hash as digest } from 'node:crypto';
import { isAppError } from '../../shared/errors.js';
import type { BatchRow } from '../../shared/import-batch.js';
import { parseLine } from '../../shared/lines.js';
import { accountIn } from '../user-id.js';
import type { Accounts } from '../username.js';
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
const idForm = /^[A-Za-z0-9._:@|-]{1,128}$/;
const scopesForm = /^(?:[!#-[\]-~]+(?: [!#-[\]-~]+)*)?$/;
const wordForm = /^[A-Za-z0-9+>_{}().:-]{1,128}$/;
const words = ['format', 'alg', 'order', 'template', 'encoding', 'key'] as const;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

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

const readOptions = (fields: Fields, problems: Problem[]): Record<string, string> => {
  const options: Record<string, string> = {};
  const { params, salt } = fields;
  if (params !== undefined && !isObject(params)) problems.push(problem('E_FIELD_TYPE', 'params'));
  for (const [name, value] of Object.entries(isObject(params) ? params : {}))
    options[name] = readOption(name, value, problems);
  if (salt !== undefined) {
    options.salt = readOption('salt', salt, problems);
    options['salt-encoding'] = 'base64';
  }
  for (const name of words) {
    const value = fields[name];
    if (name === 'format' || value === undefined) continue;
    if (typeof value === 'string' && wordForm.test(value)) options[name] = value;
    else problems.push(problem('E_FIELD_TYPE', name));
  }
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

/** The same content is the same attempt, whichever file or run it comes from. */
const attemptOf = (content: object): string =>
  digest('sha256', `floodgate import v1\n${JSON.stringify(content)}`, 'base64url').slice(0, 22);

/** An id of ours names its account, so it fits no other one. */
const isFitting = (id: string, u: string): boolean =>
  !id.startsWith('c_') && (!id.startsWith('u_') || accountIn(id) === u);

/** Never throws. */
export const readImportRow = (text: string, defaults: Defaults, accounts: Accounts): ReadRow => {
  const parsed = parseLine(text);
  if (parsed === undefined) return { problems: [problem('E_JSON')] };
  const problems: Problem[] = [];
  const fields: Fields = { ...defaults, ...parsed };
  for (const name in fields)
    if (!known.has(name)) problems.push(problem('E_FIELD_TYPE', name.slice(0, 64)));
  const account = readLogin(fields, accounts, problems);
  const given = typeof fields.id === 'number' ? { ...fields, id: String(fields.id) } : fields;
  const u = account?.u ?? '';
  const isId = (id: string) => idForm.test(id) && (account === undefined || isFitting(id, u));
  const id = readText(given, 'id', isId, problems);
  const isScopes = (scopes: string) => scopes.length <= 1024 && scopesForm.test(scopes);
  const isStatus = (status: string) => status === 'active' || status === 'disabled';
  const scopes = readText(fields, 'scopes', isScopes, problems) ?? '';
  const status = readText(fields, 'status', isStatus, problems);
  const norm = readText(fields, 'norm', (form) => form === 'raw' || form === 'nfc', problems);
  const format = readText(fields, 'format', (word) => wordForm.test(word), problems) ?? '';
  const { hash, encoding } = readHashField(fields.hash, problems);
  const tagged = encoding === undefined ? {} : { encoding };
  const options = { ...readOptions(fields, problems), ...tagged };
  const shown = {
    ...(id === undefined ? {} : { id }),
    ...(account === undefined ? {} : { login: account.name }),
    problems,
  };
  if (problems.length > 0 || account === undefined) return shown;
  const content: Omit<BatchRow, 'attempt' | 'user_id'> = {
    ...{ u, name: account.name, format, hash, options, scopes },
    norm: norm === 'nfc' ? 'nfc' : 'raw',
    status: status === 'disabled' ? 'disabled' : 'active',
  };
  const attempt = attemptOf([id ?? '', content]);
  const row = { ...content, attempt, user_id: id ?? `u_${u}${attempt.slice(0, 10)}` };
  return { ...shown, row };
};
