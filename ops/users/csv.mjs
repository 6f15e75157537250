/**
 * CSV as RFC 4180 has it: fields in double quotes may hold commas, line ends and doubled quotes; lines
 * end with LF or CRLF. The separator is the one of the first line (comma, semicolon or tab).
 */

/** @typedef {{ line: number, fields: string[] }} Row `line` is where the row begins */

const separators = [',', ';', '\t'];

/** Which separator a first line has most of, outside of quotes. @param {string} text */
const findSeparator = (text) => {
  const bare = text.replace(/"[^"]*"/g, '');
  const count = (/** @type {string} */ one) => bare.split(one).length;
  return separators.reduce((best, one) => (count(one) > count(best) ? one : best), ',');
};

/** A reader that is fed pieces of text and gives the rows that are complete. */
export const createCsv = () => {
  let separator = '';
  let line = 1;
  let begin = 1;
  let field = '';
  /** @type {string[]} */
  let fields = [];
  /** @type {'plain' | 'quoted' | 'closing'} closing: a quote that ends the field or begins a pair */
  let state = 'plain';
  let held = '';

  /** @param {Row[]} rows */
  const endRow = (rows) => {
    fields.push(field.endsWith('\r') ? field.slice(0, -1) : field);
    if (fields.length > 1 || fields[0] !== '') rows.push({ line: begin, fields });
    fields = [];
    field = '';
    begin = line;
  };

  /** What stands before the next character that means something. @param {string} text @param {number} from */
  const endOfPlain = (text, from) => {
    let at = from;
    while (at < text.length) {
      const char = text[at];
      if (char === separator || char === '\n' || char === '"') return at;
      at++;
    }
    return at;
  };

  /** @param {string} text @param {Row[]} rows */
  const read = (text, rows) => {
    for (let at = 0; at < text.length; ) {
      if (state === 'quoted') {
        const quote = text.indexOf('"', at);
        const end = quote === -1 ? text.length : quote;
        const part = text.slice(at, end);
        field += part;
        line += part.split('\n').length - 1;
        if (quote !== -1) state = 'closing';
        at = end + 1;
        continue;
      }
      const char = text[at];
      if (state === 'closing') {
        state = char === '"' ? 'quoted' : 'plain';
        if (char === '"') {
          field += '"';
          at++;
          continue;
        }
      }
      if (char === '"' && field === '') {
        state = 'quoted';
        at++;
      } else if (char === separator) {
        fields.push(field);
        field = '';
        at++;
      } else if (char === '\n') {
        line++;
        endRow(rows);
        at++;
      } else {
        const end = Math.max(at + 1, endOfPlain(text, at));
        field += text.slice(at, end);
        at = end;
      }
    }
  };

  return {
    /** @param {string} piece @returns {Row[]} */
    push: (piece) => {
      /** @type {Row[]} */
      const rows = [];
      let text = piece;
      if (separator === '') {
        held += piece;
        if (!held.includes('\n')) return rows;
        text = held.replace(/^\uFEFF/, '');
        separator = findSeparator(text.slice(0, text.indexOf('\n')));
      }
      read(text, rows);
      return rows;
    },
    /** The last row, when the file does not end with a line end. @returns {Row[]} */
    end: () => {
      /** @type {Row[]} */
      const rows = [];
      if (separator === '') read(held.replace(/^\uFEFF/, ''), rows);
      if (field !== '' || fields.length > 0) endRow(rows);
      return rows;
    },
  };
};
