/** What the commands for people share (`npm run bench`, `npm run sim`): wrong arguments, and progress. */

export const createCommandLine = (name: string) => {
  /** A mistake in the command line; its text is all the caller needs. */
  const wrong = (text: string): never => {
    process.stderr.write(`${name}: ${text}\n${name}: --help shows what there is\n`);
    process.exit(1);
  };

  const readInt = (option: string, text: string, min: number, max: number): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    return wrong(`--${option} must be a whole number from ${min} to ${max}, not "${text}"`);
  };

  return { wrong, readInt };
};

/** To stderr. A log file gets a line every few seconds, a terminal one that moves. */
export const createProgress = () => {
  const isTerminal = process.stderr.isTTY === true;
  let shownAt = 0;
  return (text: string) => {
    if (isTerminal) process.stderr.write(`\r\x1b[K${text}`);
    else if (performance.now() - shownAt > 5000) {
      shownAt = performance.now();
      process.stderr.write(`${text}\n`);
    }
  };
};
