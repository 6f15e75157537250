/**
 * An import file as big as wanted, in the form of an operator's export: argon2id, PBKDF2 of Django and
 * unsalted md5 in turn. Every row is another user with another hash; what is in a row follows from its
 * number. Of the md5 rows the password is known.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

type Mix = 'all' | 'md5';

const pieceRows = 1000;

export const loginOf = (i: number): string => `import-${i}`;
export const passwordOf = (i: number): string => `the password of ${i}`;

const bytesOf = (i: number, what: string, count: number): Buffer =>
  createHash('sha256').update(`${what} ${i}`).digest().subarray(0, count);

const bare = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

const hashes = [
  (i: number) =>
    `$argon2id$v=19$m=19456,t=2,p=1$${bare(bytesOf(i, 'salt', 16))}$${bare(bytesOf(i, 'tag', 32))}`,
  (i: number) =>
    `pbkdf2_sha256$600000$${bytesOf(i, 'salt', 11).toString('hex')}$` +
    bytesOf(i, 'tag', 32).toString('base64'),
];

const md5Row = (i: number) => ({
  format: 'digest',
  alg: 'md5',
  hash: createHash('md5').update(passwordOf(i)).digest('hex'),
});

export const isKnown = (i: number, mix: Mix): boolean => mix === 'md5' || i % 3 === 2;

const rowOf = (i: number, mix: Mix): string => {
  const stored = isKnown(i, mix) ? md5Row(i) : { hash: hashes[i % 3]?.(i) };
  return JSON.stringify({ id: `old-${i}`, login: loginOf(i), ...stored });
};

/** Rows `first` and following. */
export const writeImportFile = async (
  path: string,
  { first = 0, count, mix }: { first?: number; count: number; mix: Mix },
): Promise<void> => {
  const file = createWriteStream(path);
  file.write(`${JSON.stringify({ type: 'header', version: 1, source: 'bench' })}\n`);
  for (let from = 0; from < count; from += pieceRows) {
    const size = Math.min(pieceRows, count - from);
    const rows = Array.from({ length: size }, (_, i) => `${rowOf(first + from + i, mix)}\n`);
    if (!file.write(rows.join(''))) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
};
