/**
 * A file of users as numbered rows, whatever it is written in: our own NDJSON, whose first line is a
 * header, or the export of another product (CSV, JSON, NDJSON) through a mapping. Rows come in pages, at
 * constant memory; one that cannot be read is an item with a code.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { codeOf } from '../files.mjs';
import { Refusal } from '../refusal.mjs';
import { createCsv } from './csv.mjs';
import { createJsonItems } from './json-items.mjs';
import { readLines, readText } from './lines.mjs';

/**
 * @typedef {import('./lines.mjs').Item & { field?: string, message?: string }} Item
 * @typedef {import('./lines.mjs').Meter} Meter
 * @typedef {import('./mappings.mjs').Fields} Fields
 * @typedef {(record: Fields) => import('./mappings.mjs').Mapped | undefined} Map
 * @typedef {{ defaults: Fields, keys: Record<string, string>, probe?: Record<string, string> }} Header
 */

const headBytes = 64 * 1024;

/** The beginning of a file. @param {string} path */
const readHead = (path) => {
  const bytes = Buffer.alloc(headBytes);
  try {
    const fd = openSync(path, 'r');
    const length = readSync(fd, bytes, 0, headBytes, 0);
    closeSync(fd);
    return bytes.subarray(0, length).toString('utf8');
  } catch (error) {
    throw new Refusal(`${path} cannot be read (${codeOf(error)}).`);
  }
};

/** @param {string} text @returns {Fields | undefined} */
const parseObject = (text) => {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** @param {unknown} value @returns {value is Fields} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param {Fields} fields @returns {Header} */
export const readHeader = ({ type, version, source, defaults = {}, keys = {}, probe, ...rest }) => {
  const [unknown] = Object.keys(rest);
  if (type !== 'header' || version !== 1)
    throw new Refusal('The header must say {"type":"header","version":1,…}.');
  if (unknown !== undefined) throw new Refusal(`The header has an unknown field: ${unknown}.`);
  if (source !== undefined && typeof source !== 'string')
    throw new Refusal('source in the header must be a text.');
  if (!isObject(defaults) || !isObject(keys) || (probe !== undefined && !isObject(probe)))
    throw new Refusal('defaults, keys and probe in the header must be objects.');
  return { defaults, keys, ...(probe === undefined ? {} : { probe }) };
};

/** What the file is. @param {string} path @returns {'csv' | 'json' | 'ndjson'} */
const findForm = (path) => {
  const head = readHead(path).replace(/^\uFEFF/, '');
  const begin = head.trimStart()[0];
  if (begin === '[') return 'json';
  if (begin !== '{') return 'csv';
  const [line = ''] = head.split('\n');
  return parseObject(line) !== undefined && !line.includes('"users":[') ? 'ndjson' : 'json';
};

/** Nobody, or one item. @param {number} line @param {Fields | undefined} record @param {Map} map @returns {Item[]} */
const mapped = (line, record, map) => {
  if (record === undefined) return [{ line, code: 'E_JSON' }];
  const found = map(record);
  if (found === undefined) return [];
  const { row, code, field } = found;
  if (row === undefined) return [{ line, code, field }];
  const text = JSON.stringify(row);
  return text.includes('\uFFFD') ? [{ line, code: 'E_ENCODING' }] : [{ line, text }];
};

/** @param {string} path @param {Map} map @param {Meter} meter @returns {AsyncGenerator<Item[]>} */
async function* readCsv(path, map, meter) {
  const csv = createCsv();
  /** @type {string[] | undefined} */
  let names;
  /** @param {import('./csv.mjs').Row[]} rows */
  const toItems = (rows) => {
    /** @type {Item[]} */
    const items = [];
    for (const { line, fields } of rows) {
      if (names === undefined) names = fields.map((name) => name.trim());
      else if (fields.length !== names.length) items.push({ line, code: 'E_COLUMNS' });
      else {
        const own = names;
        const record = Object.fromEntries(fields.map((field, at) => [own[at] ?? '', field]));
        items.push(...mapped(line, record, map));
      }
    }
    return items;
  };
  for await (const text of readText(path, meter)) yield toItems(csv.push(text));
  yield toItems(csv.end());
}

/** @param {string} path @param {Map} map @param {Meter} meter @returns {AsyncGenerator<Item[]>} */
async function* readJson(path, map, meter) {
  const items = createJsonItems();
  for await (const text of readText(path, meter))
    yield items.push(text).flatMap((found) => mapped(found.line, parseObject(found.text), map));
  if (!items.isComplete()) throw new Refusal(`${path} is not a whole JSON document with users.`);
}

/** @param {string} path @param {Map} map @param {Meter} meter @returns {AsyncGenerator<Item[]>} */
async function* readMappedLines(path, map, meter) {
  for await (const page of readLines(path, meter))
    yield page.flatMap((item) =>
      item.text === undefined ? item : mapped(item.line, parseObject(item.text), map),
    );
}

/** The header is the first line, and is not a row. @param {string} path @param {Meter} meter */
async function* readOwn(path, meter) {
  let isFirst = true;
  for await (const page of readLines(path, meter)) {
    yield isFirst ? page.slice(1) : page;
    if (page.length > 0) isFirst = false;
  }
}

/**
 * `pages` may be read again and again. Throws Refusal.
 * @param {string} path
 * @param {{ map?: Map | undefined, header?: Header | undefined }} options
 */
export const openSource = (path, { map, header }) => {
  const form = findForm(path);
  if (map !== undefined) {
    const readers = { csv: readCsv, json: readJson, ndjson: readMappedLines };
    const own = header ?? { defaults: {}, keys: {} };
    return { header: own, pages: (/** @type {Meter} */ meter) => readers[form](path, map, meter) };
  }
  const [line = ''] = readHead(path).split('\n');
  const first = form === 'ndjson' ? parseObject(line) : undefined;
  if (first?.type !== 'header')
    throw new Refusal(
      `${path} does not begin with a header line ({"type":"header","version":1}, UTF-8 without a ` +
        'byte order mark). For an export of another product say --source NAME or --map.',
    );
  return {
    header: header ?? readHeader(first),
    pages: (/** @type {Meter} */ meter) => readOwn(path, meter),
  };
};
