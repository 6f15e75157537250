/**
 * What can be wrong with a line of an import, one row per code: what it means and what to do. A text
 * never has anything of the line in it; `describe` adds what is known and harmless (length, position).
 */
import type { Finding, RowResult } from '../../shared/import-batch.js';

type Code = keyof typeof table;
export type Problem = {
  code: Code;
  field?: string;
  message: string;
  hint?: string;
  candidates?: string[];
};

const table = {
  E_JSON: { message: 'The line is not one JSON object.', hint: 'One object per line, no commas.' },
  E_FIELD_MISSING: { message: 'A required field is missing.' },
  E_FIELD_TYPE: { message: 'The field is unknown or its value is not valid.' },
  E_DUPLICATE_ID: {
    message: 'Another account has this id.',
    hint: 'Ids are the subject of tokens: give each account its own, or leave them out.',
  },
  E_BASE64: {
    message: 'The bytes are not in the encoding that is declared.',
    hint: 'Tag bytes as {"hex":…}, {"b64":…} or {"utf8":…}; base64 is standard, padding optional.',
  },
  E_FORMAT_UNKNOWN: {
    message: 'No supported format has this form.',
    hint: 'Declare "format"; docs/password-hashes.md lists them.',
  },
  E_FORMAT_AMBIGUOUS: {
    message: 'Several products write this form and mean different things.',
    hint: 'Declare "format" as one of the candidates.',
  },
  E_FORMAT_MISMATCH: {
    message: 'The hash is not in the declared format, but in another one.',
    hint: 'Correct "format", or leave it out where the hash says what it is.',
  },
  E_HASH_MALFORMED: {
    message: 'The hash does not follow the grammar of its format.',
    hint: 'Compare it with docs/password-hashes.md: another "format", or was something cut or added?',
  },
  E_HASH_LENGTH: {
    message: 'The digest has not the length that its function gives.',
    hint: 'A cut digest accepts wrong passwords. Was the column too short?',
  },
  E_PARAM_LIMIT: {
    message: 'The hash asks for more work or memory than the limits allow.',
    hint: 'Such a user needs a new password: import with "hash":null.',
  },
  E_PARAM_RANGE: { message: 'An option of the format is missing or not valid.' },
  E_KEY_UNKNOWN: {
    message: 'The key is not in the key ring of the nodes.',
    hint: 'Put it into PASSWORD_KEYS of every node first.',
  },
  E_SECRET_IN_ROW: {
    message: 'A secret stood in the row; what is stored names it by its key id.',
    hint: 'Whoever had this file has the key.',
  },
  E_PLAINTEXT: {
    message: 'The field is a plaintext password or reads as one. It is never stored.',
    hint: 'Import with "hash":null; the user sets a new password.',
  },
  E_UNUSABLE: {
    message: 'The account is imported without a password.',
    hint: 'The user signs in after a password reset.',
  },
  E_CONFLICT: {
    message: 'The account exists and is left as it is.',
    hint: '--on-conflict replace-imported replaces what an import wrote and nobody changed since.',
  },
  E_FORMAT_UNSUPPORTED: {
    message: 'This format is computed by libcrypt, which a node does not have.',
    hint: 'Install the optional package koffi on every node; libcrypt.so.1 comes with Debian.',
  },
  E_ALREADY_WRAPPED: {
    message: 'The hash was wrapped already and cannot be declared as anything else.',
    hint: 'Leave "format" out.',
  },
} as const;

const codeOfFinding: Record<Finding, Code> = {
  hash_unknown: 'E_FORMAT_UNKNOWN',
  hash_unsupported: 'E_FORMAT_UNSUPPORTED',
  hash_ambiguous: 'E_FORMAT_AMBIGUOUS',
  hash_malformed: 'E_HASH_MALFORMED',
  hash_mismatch: 'E_FORMAT_MISMATCH',
  hash_length: 'E_HASH_LENGTH',
  hash_limit: 'E_PARAM_LIMIT',
  hash_option: 'E_PARAM_RANGE',
  hash_plaintext: 'E_PLAINTEXT',
  hash_unusable: 'E_UNUSABLE',
  hash_wrapped: 'E_ALREADY_WRAPPED',
  key_unknown: 'E_KEY_UNKNOWN',
  secret_in_row: 'E_SECRET_IN_ROW',
  exists: 'E_CONFLICT',
};

/** `said`: what is known beyond the code, from our own texts. */
export const problem = (code: Code, field?: string, said?: string): Problem => {
  const row: { message: string; hint?: string } = table[code];
  return {
    code,
    ...(field === undefined ? {} : { field }),
    message: said === undefined ? row.message : `${row.message} ${said}`,
    ...(row.hint === undefined ? {} : { hint: row.hint }),
  };
};

/** Where a hash stops being printable ASCII: what a careless export leaves at its end. */
const describeHash = (hash: string): string => {
  const at = hash.search(/[^\x21-\x7e]/);
  const where = at === -1 ? '' : `, character ${at + 1} is a space or not ASCII`;
  return `Its length is ${hash.length}${where}.`;
};

/** A character's number, or the name of a piece. */
const describePlace = (place: string): string =>
  /^\d+$/.test(place) ? `It leaves it at character ${place}.` : `Its ${place} cannot be read.`;

const ofHash = /^hash_(?!unusable)/;

/** What the node found, in the words of the result file. */
export const problemOf = (
  found: Finding,
  hash: string | null,
  { candidates, place }: Pick<RowResult, 'candidates' | 'place'> = {},
): Problem => {
  const isOfHash = ofHash.test(found);
  const field = found === 'exists' ? 'login' : found === 'key_unknown' ? 'key' : 'hash';
  const described = isOfHash && hash !== null ? [describeHash(hash)] : [];
  const isPlaced = found === 'hash_malformed' && place !== undefined;
  const said = [...(isPlaced ? [describePlace(place)] : []), ...described];
  const made = problem(codeOfFinding[found], field, said.join(' ') || undefined);
  return candidates === undefined ? made : { ...made, candidates: [...candidates] };
};
