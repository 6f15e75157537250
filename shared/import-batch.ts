/**
 * What the admin child and a node say to each other about users to import. The admin child knows names
 * and ids, the node knows hashes; a row is what is left when the names are keys. Bodies are lines: the
 * head first, then one row each. The answer has one result for each row, in the same order.
 */
import type { Status } from './status.js';

export type BatchHead = {
  /** False: everything is read and nothing written. */
  write: boolean;
  rule: 'insert' | 'replace-imported';
  /** Key names of the file and their secrets in base64; any other name is a key id of the ring. */
  keys: Record<string, string>;
  /** The password that the row at this index must have. */
  probe?: { at: number; password: string };
};

export type BatchRow = {
  u: string;
  name: string;
  user_id: string;
  /** Of the attempt: the same for the same content, so that a row can be sent again. */
  attempt: string;
  /** Declared; '' for a string that says by itself what it is. */
  format: string;
  /** null: an account without a password. */
  hash: string | null;
  options: Record<string, string>;
  norm: 'raw' | 'nfc';
  scopes: string;
  status: Status;
};

export type Finding =
  | 'hash_unknown'
  | 'hash_ambiguous'
  | 'hash_malformed'
  | 'hash_mismatch'
  | 'hash_length'
  | 'hash_limit'
  | 'hash_option'
  | 'hash_unsupported'
  | 'hash_plaintext'
  | 'hash_unusable'
  | 'hash_wrapped'
  | 'key_unknown'
  | 'secret_in_row'
  | 'exists';

/** Of an account without a usable password, and a secret that has left its row. */
export const isWarning = (found: Finding): boolean =>
  found === 'hash_unusable' || found === 'secret_in_row';

/**
 * `id`: the account has another id than the row, because it was there before. `place`: of a malformed
 * hash, the number of the character or the name of the piece.
 */
export type RowResult = { found?: Finding[]; candidates?: string[]; place?: string; id?: string };
export type BatchResult = {
  /** null: nothing to say about this row. */
  results: (RowResult | null)[];
  probe?: 'right' | 'wrong';
};
