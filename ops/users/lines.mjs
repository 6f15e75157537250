/**
 * The lines of a file, at constant memory: pages of numbered lines, one page per piece that was read.
 * A line that is too long or not UTF-8 is an item without text and with a code.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';

/**
 * @typedef {{ line: number, text: string, code?: undefined }} Line
 * @typedef {{ line: number, code: string, text?: undefined }} BadLine
 * @typedef {Line | BadLine} Item
 * @typedef {{ bytes: number }} Meter how far reading has come
 */

const maxLineBytes = 64 * 1024;
const pieceBytes = 256 * 1024;

/** @param {string} path */
export const readPieces = (path) => createReadStream(path, { highWaterMark: pieceBytes });

/** @param {number} line @param {Buffer} bytes @returns {Item} */
const toItem = (line, bytes) => {
  const end = bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length;
  if (end > maxLineBytes) return { line, code: 'E_LINE_TOO_LONG' };
  const own = bytes.subarray(0, end);
  return isUtf8(own) ? { line, text: own.toString('utf8') } : { line, code: 'E_ENCODING' };
};

/**
 * Pages of lines; empty ones are counted and left out.
 * @param {string} path
 * @param {Meter} meter
 * @returns {AsyncGenerator<Item[]>}
 */
export async function* readLines(path, meter) {
  let line = 0;
  let rest = Buffer.alloc(0);
  /** Of a line that is too long already and goes on. */
  let isSkipping = false;
  for await (const piece of readPieces(path)) {
    meter.bytes += piece.length;
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const page = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      line++;
      if (isSkipping) page.push({ line, code: 'E_LINE_TOO_LONG' });
      else if (end > start) page.push(toItem(line, bytes.subarray(start, end)));
      isSkipping = false;
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (isSkipping || rest.length > maxLineBytes + 1) {
      isSkipping = true;
      rest = Buffer.alloc(0);
    }
    yield page;
  }
  if (isSkipping) yield [{ line: line + 1, code: 'E_LINE_TOO_LONG' }];
  else if (rest.length > 0) yield [toItem(line + 1, rest)];
}

/**
 * Pieces of text for the readers whose records may have line ends in them. What is not UTF-8 becomes
 * U+FFFD, which no name and no hash has.
 * @param {string} path
 * @param {Meter} meter
 * @returns {AsyncGenerator<string>}
 */
export async function* readText(path, meter) {
  const decoder = new TextDecoder('utf-8');
  for await (const piece of readPieces(path)) {
    meter.bytes += piece.length;
    yield decoder.decode(piece, { stream: true });
  }
  yield decoder.decode();
}
