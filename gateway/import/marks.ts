/**
 * What an import leaves beside a record: the attempt, by which a repeat finds its own write, and the id of
 * a line that brings none. Both outlive the old hash, and the id is public, so they are MACs under
 * NODE_SECRET, which is in no store: nobody else can try passwords against them. Under another secret the
 * same line is another attempt, so after its rotation what was imported before is a conflict.
 */
import { createHmac } from 'node:crypto';
import type { BatchRow } from '../../shared/import-batch.js';

export type Content = Omit<BatchRow, 'attempt' | 'user_id'>;
export type Marks = ReturnType<typeof createMarks>;

/** `secret`: NODE_SECRET, the current one. */
export const createMarks = (secret: string) => {
  const mark = (text: string, length: number): string =>
    createHmac('sha256', secret).update(text).digest('base64url').slice(0, length);

  return {
    /** The same content is the same attempt, whichever file or run it comes from. */
    attemptOf: (id: string | undefined, row: Content): string => {
      const { u, name, format, hash, options, norm, scopes, status } = row;
      const content = [id ?? '', u, name, format, hash, options, norm, scopes, status];
      return mark(`floodgate import v2\n${JSON.stringify(content)}`, 22);
    },

    /** Of the attempt: an account that is made anew under the same name, with another password, has another id. */
    idOf: (u: string, attempt: string): string =>
      `u_${u}${mark(`floodgate import id v1\n${attempt}`, 10)}`,
  };
};
