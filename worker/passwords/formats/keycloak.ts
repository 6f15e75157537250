/**
 * A password credential of a Keycloak export: JSON with two texts in it that are JSON again,
 * `credentialData` (algorithm, iterations, parameters) and `secretData` (digest and salt in base64).
 * argon2 and PBKDF2; the latter writes 64 bytes by default, or what the function gives.
 */
import { parseJson } from '../../../shared/json.js';
import type { Format, Parsed, ParseProblem } from './format.js';
import { unread } from './malformed.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readDecimal, readPaddedBase64 } from './strict.js';

type Fields = Readonly<Record<string, unknown>>;

const readJson = (text: unknown): Fields | undefined => {
  if (typeof text !== 'string') return undefined;
  try {
    return parseJson(Buffer.from(text));
  } catch {
    return undefined;
  }
};

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

const readBytes = (value: unknown): Buffer | undefined =>
  typeof value === 'string' && value !== '' ? readPaddedBase64(value) : undefined;

/** A parameter is a list of one text. */
const parameterOf = (data: Fields, name: string): string => {
  const all = data.additionalParameters;
  const list: unknown = isFields(all) ? all[name] : undefined;
  const value: unknown = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  return typeof value === 'string' ? value : '';
};

const argon2Versions: ReadonlyMap<string, number> = new Map([
  ['1.0', 16],
  ['1.3', 19],
]);

const readArgon2 = (
  data: Fields,
  t: number,
  salt: Buffer,
  digest: Buffer,
): Parsed | ParseProblem => {
  const v = parameterOf(data, 'type');
  const version = argon2Versions.get(parameterOf(data, 'version'));
  const m = readDecimal(parameterOf(data, 'memory'));
  const p = readDecimal(parameterOf(data, 'parallelism'));
  const bytes = readDecimal(parameterOf(data, 'hashLength'));
  if (version === undefined || m === undefined || p === undefined)
    return unread({ version, memory: m, parallelism: p });
  if (!/^(id|i|d)$/.test(v)) return 'hash_malformed:type';
  if (digest.length !== bytes) return 'hash_length';
  return { recipe: { kind: 'argon2', params: { v, version, m, t, p, salt, key: '-' } }, digest };
};

const prfs: Readonly<Record<string, string>> = {
  pbkdf2: 'sha1',
  'pbkdf2-sha256': 'sha256',
  'pbkdf2-sha512': 'sha512',
};
const defaultBytes = 64;

const read = (data: Fields, secret: Fields): Parsed | ParseProblem => {
  const { algorithm, hashIterations: iterations } = data;
  const salt = readBytes(secret.salt);
  const digest = readBytes(secret.value);
  if (salt === undefined || digest === undefined) return unread({ salt, value: digest });
  if (typeof algorithm !== 'string') return 'hash_malformed:algorithm';
  if (!Number.isSafeInteger(iterations)) return 'hash_malformed:hashIterations';
  if (algorithm === 'argon2') return readArgon2(data, Number(iterations), salt, digest);
  const prf = Object.hasOwn(prfs, algorithm) ? prfs[algorithm] : undefined;
  if (prf === undefined) return 'hash_unknown';
  const bytes = digest.length === defaultBytes ? defaultBytes : undefined;
  return joinPbkdf2(prf, String(iterations), salt, digest, bytes);
};

export const keycloak: Format = {
  id: 'keycloak',
  parse: (stored) => {
    const credential = readJson(stored);
    if (credential === undefined) return 'hash_malformed:JSON';
    if (credential.type !== undefined && credential.type !== 'password') return 'hash_unknown';
    const data = readJson(credential.credentialData);
    const secret = readJson(credential.secretData);
    if (data === undefined || secret === undefined)
      return unread({ credentialData: data, secretData: secret });
    return read(data, secret);
  },
};
