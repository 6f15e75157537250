/**
 * Which children hang: those that were not heard for two seconds while others were. When none is heard, rather
 * the machine is busy, and processes that start in the place of all of them would take what is left of it. So
 * they are waited for, and given up one by one when that lasts.
 */
type Child = { isReady: boolean; heardAt: number };
type Logs = { error(fields: object, text: string): void };

/** How often children are asked for a sign of life. */
export const pingMs = 500;
const silenceMs = 2000;
/** Less than that: all of them fall silent at once, but were not heard last at the same moment. */
const unheardMs = 2 * pingMs;
const patienceMs = 10_000;

/** To be called every `pingMs`. `now` in ms, of a clock that does not jump. */
export const createFindHung = <T extends Child>({
  log,
  now = () => performance.now(),
}: {
  log: Logs;
  now?: () => number;
}) => {
  const found = new WeakSet<T>();
  let askedAt = now();
  let allSince: number | undefined;

  /** Of those that are silent now. */
  const give = (silent: T[]): T[] => {
    for (const child of silent) found.add(child);
    return silent;
  };

  /** Nobody of those that were ready is heard: none, until it has lasted too long. */
  const giveOne = (silent: T[], at: number): T[] => {
    if (allSince === undefined)
      log.error({ children: silent.length }, 'all children are silent, they are waited for');
    allSince ??= at;
    return at - allSince < patienceMs ? [] : give(silent.slice(0, 1));
  };

  /** Each is returned once. */
  return (children: readonly T[]): T[] => {
    const at = now();
    // After a stall of our own, everybody looks silent.
    if (at - askedAt > 2 * pingMs) for (const child of children) child.heardAt = at;
    askedAt = at;
    const ready = children.filter((child) => child.isReady && !found.has(child));
    const silent = ready.filter(({ heardAt }) => at - heardAt > silenceMs);
    const isNoneHeard = ready.every(({ heardAt }) => at - heardAt > unheardMs);
    if (silent.length > 0 && isNoneHeard && (ready.length > 1 || allSince !== undefined))
      return giveOne(silent, at);
    if (allSince === undefined || ready.length === 0) return give(silent);
    // The first one is heard again, and the others will be.
    allSince = undefined;
    for (const child of ready) child.heardAt = at;
    return [];
  };
};
