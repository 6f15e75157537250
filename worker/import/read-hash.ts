/**
 * The hash of a row to import: read as declared, or as what it says it is, within the limits; what comes
 * out is what is stored, and the same reader that every login uses has read it. Secrets of other systems
 * do not stay in rows: they must be in the key ring, and the record names them by id.
 */
import type { BatchRow, Finding, RowResult } from '../../shared/import-batch.js';
import { candidatesOf } from '../passwords/formats/detect.js';
import { type HashProblem, noPassword, type StoredHash } from '../passwords/formats/format.js';
import {
  isRecognised,
  isUsable,
  placeOf,
  readDeclared,
  readHash,
} from '../passwords/formats/formats.js';
import type { KeyRing } from '../passwords/keys.js';
import type { Recipe } from '../passwords/recipes/recipe.js';
import { kindOf } from '../passwords/recipes/recipes.js';
import { writeStored } from '../passwords/recipes/text.js';

export type ReadRowHash = { stored: string; hash?: StoredHash; result: RowResult | null };
type Ring = Pick<KeyRing, 'idOf' | 'has'>;
type Row = Pick<BatchRow, 'format' | 'hash' | 'options'>;

const refused = (...found: Finding[]): ReadRowHash => ({ stored: '', result: { found } });

/** Key ids that the file gave names of its own, by those names. */
export const readKeyNames = (
  keys: Readonly<Record<string, string>>,
  ring: Pick<KeyRing, 'idOf'>,
): ReadonlyMap<string, string | undefined> =>
  new Map(Object.entries(keys).map(([name, b64]) => [name, ring.idOf(Buffer.from(b64, 'base64'))]));

/** The recipe with its key id filled in. */
const withKey = (recipe: Recipe, id: string): Recipe => {
  const { fields } = kindOf(recipe);
  const names = Object.keys(fields).filter((name) => fields[name] === 'key');
  const filled = Object.fromEntries(names.map((name) => [name, id]));
  return { kind: recipe.kind, params: { ...recipe.params, ...filled } };
};

/** A refusal, and of what is malformed where. */
const refusedAt = (found: Finding, { format, options }: Row, text: string): ReadRowHash => {
  const place = found === 'hash_malformed' ? placeOf(format, text, options) : undefined;
  return { stored: '', result: { found: [found], ...(place === undefined ? {} : { place }) } };
};

/** A declared string that another reader would take: the declaration is wrong, not the string. */
const problemOf = (problem: HashProblem, format: string, text: string): Finding => {
  if (text.startsWith('$wrap1$')) return 'hash_wrapped';
  const other = problem === 'hash_malformed' ? readHash(text) : problem;
  return isUsable(other) && other.format !== format ? 'hash_mismatch' : problem;
};

const readAsDeclared = (row: Row, text: string, ring: Ring): ReadRowHash => {
  const { format, options } = row;
  const read = readDeclared(format, text, options);
  if (!isUsable(read)) return refusedAt(problemOf(read, format, text), row, text);
  if (read.secret === undefined && read.keyIds.length === 0 && isRecognised(format)) {
    // Verbatim where the string says by itself what it was declared as.
    const same = readHash(text);
    if (isUsable(same) && same.format === format) return { stored: text, hash: same, result: null };
  }
  const id = read.secret === undefined ? undefined : ring.idOf(read.secret);
  if (read.secret !== undefined && id === undefined) return refused('key_unknown', 'secret_in_row');
  const recipe = id === undefined ? read.recipe : withKey(read.recipe, id);
  const stored = writeStored(recipe, read.digest);
  const hash = readHash(stored);
  if (!isUsable(hash)) return refused(hash);
  return { stored, hash, result: id === undefined ? null : { found: ['secret_in_row'] } };
};

const readAsIs = (row: Row, text: string): ReadRowHash => {
  const hash = readHash(text);
  if (isUsable(hash)) return { stored: text, hash, result: null };
  if (hash !== 'hash_ambiguous') return refusedAt(hash, row, text);
  return { stored: '', result: { found: [hash], candidates: [...candidatesOf(text)] } };
};

/** `names`: see `readKeyNames`. Never throws. */
export const readRowHash = (
  row: Row,
  ring: Ring,
  names: ReadonlyMap<string, string | undefined>,
): ReadRowHash => {
  const { hash: text, format, options } = row;
  if (text === null) return { stored: noPassword, result: { found: ['hash_unusable'] } };
  const { key } = options;
  const id = key !== undefined && names.has(key) ? names.get(key) : key;
  if (key !== undefined && (id === undefined || !ring.has(id))) return refused('key_unknown');
  const named = id === undefined ? row : { ...row, options: { ...options, key: id } };
  const read = format === '' ? readAsIs(row, text) : readAsDeclared(named, text, ring);
  const [found] = read.result?.found ?? [];
  if (found === 'hash_unusable') return { stored: noPassword, result: { found: [found] } };
  const isMissing = (read.hash?.keyIds ?? []).some((each) => !ring.has(each));
  return isMissing ? refused('key_unknown') : read;
};
