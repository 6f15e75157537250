/**
 * The keyring, read again for whoever shows a key id that is not in it: another process may have made that
 * key a moment ago. All of them together cause at most one reading a second, as key ids can be made up.
 */
const rereadMs = 1000;

/** The last reading, or a new one: whoever asks within a second shares its fate, a failure included. */
export const createReread = ({
  reload,
  now,
}: {
  reload: () => Promise<void>;
  now: () => number;
}): (() => Promise<void>) => {
  let readAt = Number.NEGATIVE_INFINITY;
  let last: Promise<void> = Promise.resolve();
  return () => {
    if (Math.abs(now() - readAt) < rereadMs) return last;
    readAt = now();
    last = reload();
    // Every caller sees the failure; without a caller it is nobody's.
    last.catch(() => {});
    return last;
  };
};
