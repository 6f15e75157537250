/**
 * The objects of one big JSON document, one at a time: of the array that it is, or of the array under
 * `users`, whatever stands around it. Only brackets and strings are looked at here; JSON.parse judges
 * each object. An import goes by lines: each object has one of its own, the one where it begins, or, when
 * several stand in one, the next that none has.
 */

/** @typedef {{ line: number, text: string }} Found */

const [open, close, openList, closeList, quote, backslash] = [123, 125, 91, 93, 34, 92];
const maxItem = 1024 * 1024;

/** A reader that is fed pieces of text and gives the objects that are complete. */
export const createJsonItems = () => {
  let line = 1;
  let depth = 0;
  let inString = false;
  let isEscaped = false;
  /** Depth inside of the list that holds the users; 0 = not there yet. */
  let listDepth = 0;
  let isDone = false;
  /** The last string at depth 1, which may be the name of what follows. */
  let name = '';
  /** @type {string | undefined} what has been read of the object we are in */
  let item;
  let itemLine = 0;

  /** @param {number} char */
  const isUsersList = (char) =>
    char === openList && (depth === 0 || (depth === 1 && name === 'users')) && listDepth === 0;

  /** @param {string} piece @returns {Found[]} */
  const push = (piece) => {
    /** @type {Found[]} */
    const found = [];
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
      const char = piece.charCodeAt(at);
      if (char === 10) line++;
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (char === backslash) isEscaped = true;
        else if (char === quote) inString = false;
        if (inString && depth === 1 && name.length < 16) name += piece[at];
      } else if (char === quote) {
        inString = true;
        if (depth === 1) name = '';
      } else if (char === open || char === openList) {
        if (isUsersList(char) && !isDone) listDepth = depth + 1;
        else if (char === open && depth === listDepth && listDepth > 0 && !isDone) {
          item = '';
          start = at;
          itemLine = Math.max(line, itemLine + 1);
        }
        depth++;
      } else if (char === close || char === closeList) {
        depth--;
        if (item !== undefined && depth === listDepth) {
          found.push({ line: itemLine, text: item + piece.slice(start, at + 1) });
          item = undefined;
        } else if (listDepth > 0 && depth < listDepth) isDone = true;
      }
    }
    if (item !== undefined && item.length <= maxItem) item += piece.slice(start);
    return found;
  };

  return { push, hasList: () => listDepth > 0, isComplete: () => depth === 0 && listDepth > 0 };
};
