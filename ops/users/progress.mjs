/**
 * How far a long command has come: a bar with rate and time left on a terminal, a line now and then
 * anywhere else. On stderr, so that it never mixes with what the command answers.
 */

const barEveryMs = 200;
const lineEveryMs = 10_000;
const width = 24;

/** @param {number} seconds */
const formatTime = (seconds) => {
  if (!Number.isFinite(seconds)) return '--:--';
  const whole = Math.round(seconds);
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const minutes = two(Math.floor(whole / 60) % 60);
  const hours = Math.floor(whole / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${minutes}:${two(whole % 60)}`;
};

/** @param {number} n */
export const formatCount = (n) => n.toLocaleString('en-US');

/**
 * @param {string} what
 * @param {{ isTTY?: boolean, write: (text: string) => unknown }} out
 * @param {() => number} now in ms
 */
export const createProgress = (what, out = process.stderr, now = () => performance.now()) => {
  const startedAt = now();
  let shownAt = startedAt;
  let isOpen = false;

  /** @param {number} rows @param {number} done from 0 to 1 */
  const format = (rows, done) => {
    const seconds = (now() - startedAt) / 1000;
    const rate = rows / Math.max(seconds, 0.001);
    const left = done > 0 ? (seconds * (1 - done)) / done : Number.NaN;
    const percent = `${Math.floor(done * 100)} %`.padStart(5);
    return `${percent}  ${formatCount(rows)} rows  ${formatCount(Math.round(rate))}/s  ${formatTime(left)} left`;
  };

  return {
    /** @param {number} rows @param {number} part from 0 to 1 */
    show: (rows, part) => {
      const at = now();
      if (at - shownAt < (out.isTTY ? barEveryMs : lineEveryMs)) return;
      shownAt = at;
      const done = Math.min(1, part);
      const full = Math.round(done * width);
      const bar = `[${'#'.repeat(full)}${' '.repeat(width - full)}]`;
      isOpen = out.isTTY === true;
      out.write(
        out.isTTY
          ? `\r${what} ${bar} ${format(rows, done)}\x1b[K`
          : `${what} ${format(rows, done)}\n`,
      );
    },
    end: () => {
      if (isOpen) out.write('\r\x1b[K');
      isOpen = false;
    },
  };
};
