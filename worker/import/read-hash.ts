/**
 * The hash of a row to import: read as declared, or as what it says it is, within the limits; what comes
 * out is what is stored, and the same reader that every login uses has read it. Secrets of other systems
 * do not stay in rows: they must be in the key ring, and the record names them by id.
 */
import type { BatchRow, Finding, RowResult } from '../../shared/import-batch.js';
import { spellDeclared } from '../passwords/formats/declared.js';
import { candidatesOf } from '../passwords/formats/detect.js';
import { type HashProblem, noPassword, type StoredHash } from '../passwords/formats/format.js';
import { isUsable, placeOf, readHash } from '../passwords/formats/formats.js';
import type { KeyRing } from '../passwords/keys.js';

export type ReadRowHash = { stored: string; hash?: StoredHash; result: RowResult | null };
type Ring = Pick<KeyRing, 'idOf' | 'has' | 'need'>;
type Row = Pick<BatchRow, 'format' | 'hash' | 'options'>;

const refused = (...found: Finding[]): ReadRowHash => ({ stored: '', result: { found } });

/** Key ids that the file gave names of its own, by those names. */
export const readKeyNames = (
  keys: Readonly<Record<string, string>>,
  ring: Pick<KeyRing, 'idOf'>,
): ReadonlyMap<string, string | undefined> =>
  new Map(Object.entries(keys).map(([name, b64]) => [name, ring.idOf(Buffer.from(b64, 'base64'))]));

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
  const spelled = spellDeclared(row, text, ring);
  if (spelled === 'key_unknown') return refused('key_unknown', 'secret_in_row');
  if (typeof spelled === 'string')
    return refusedAt(problemOf(spelled, row.format, text), row, text);
  const { stored, hash, hadSecret } = spelled;
  return { stored, hash, result: hadSecret ? { found: ['secret_in_row'] } : null };
};

const readAsIs = (row: Row, text: string): ReadRowHash => {
  const hash = readHash(text);
  if (isUsable(hash)) return { stored: text, hash, result: null };
  if (hash !== 'hash_ambiguous') return refusedAt(hash, row, text);
  return { stored: '', result: { found: [hash], candidates: [...candidatesOf(text)] } };
};

/** Are the keys that a login would need here, as long as they must be? */
const hasKeys = ({ keyIds, lacksKey }: StoredHash, ring: Ring): boolean =>
  keyIds.every(ring.has) && !lacksKey(ring.need(keyIds));

const noNames: ReadonlyMap<string, string | undefined> = new Map();

/** `names`: see `readKeyNames`. Never throws. */
export const readRowHash = (
  row: Row,
  ring: Ring,
  names: ReadonlyMap<string, string | undefined> = noNames,
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
  return read.hash === undefined || hasKeys(read.hash, ring) ? read : refused('key_unknown');
};
