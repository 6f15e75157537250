/**
 * Which accounts a file has named already: eight bytes each and the line it was on, in one open hash
 * table. This is the one thing of an import that grows with the file: twelve bytes a place, a table at
 * most two thirds full.
 */
export const createSeen = () => {
  let places = 1 << 16;
  let keys = new Uint32Array(2 * places);
  let lines = new Uint32Array(places);
  let count = 0;

  /** Where this key is or would be. @param {number} low @param {number} high */
  const placeOf = (low, high) => {
    let at = (low ^ (high >>> 7)) & (places - 1);
    while (lines[at] !== 0 && (keys[2 * at] !== low || keys[2 * at + 1] !== high))
      at = (at + 1) & (places - 1);
    return at;
  };

  /** @param {number} at @param {number} low @param {number} high @param {number} line */
  const put = (at, low, high, line) => {
    keys[2 * at] = low;
    keys[2 * at + 1] = high;
    lines[at] = line;
  };

  const grow = () => {
    const [oldKeys, oldLines] = [keys, lines];
    places *= 2;
    keys = new Uint32Array(2 * places);
    lines = new Uint32Array(places);
    for (const [at, line] of oldLines.entries()) {
      if (line === 0) continue;
      const [low = 0, high = 0] = [oldKeys[2 * at], oldKeys[2 * at + 1]];
      put(placeOf(low, high), low, high, line);
    }
  };

  /**
   * The line that had this print first; undefined when it is new, or no print (all zero).
   * @param {Buffer} prints @param {number} offset @param {number} line
   * @returns {number | undefined}
   */
  return (prints, offset, line) => {
    const low = prints.readUInt32LE(offset);
    const high = prints.readUInt32LE(offset + 4);
    if (low === 0 && high === 0) return undefined;
    if (3 * (count + 1) > 2 * places) grow();
    const at = placeOf(low, high);
    const first = lines[at];
    if (first !== undefined && first !== 0) return first;
    put(at, low, high, line);
    count++;
    return undefined;
  };
};
