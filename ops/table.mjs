/** Tables for people: columns as wide as their widest cell, two spaces apart. */

/**
 * The first row is the head and says how many columns there are; from column `right` on they end, and do
 * not begin, below each other.
 * @param {readonly (readonly string[])[]} rows
 * @param {{ right?: number }} [options]
 */
export const formatTable = (rows, { right = Number.POSITIVE_INFINITY } = {}) => {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((cells) => cells[at]?.length ?? 0)),
  );
  const pad = (/** @type {string} */ cell, /** @type {number} */ at) =>
    at < right ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  return rows.map((cells) => cells.map(pad).join('  ').trimEnd()).join('\n');
};
