/**
 * Who stays a member without being named by the registry. A store that was away has forgotten more likely than
 * the nodes have died, and one that names none takes no writes, perhaps: whoever is missing stays, until others
 * are there and for one lifetime more. For one lifetime also when most go at once: their host stood still, or
 * the store's clock was set. What becomes of the dead is the breakers' business.
 */
import { entryTtlMs } from '../../shared/node-registry.js';

/** `now` in ms, of a clock that does not jump. */
export const createKeepMissing = <T>({
  isDraining,
  now,
}: {
  isDraining: (member: T) => boolean;
  now: () => number;
}) => {
  /** Whom the last reading named; members may be more. */
  let lastNamed = new Set<string>();
  let keepUntil = Number.NEGATIVE_INFINITY;

  /** Adds to what was just read those of `members` that stay. `wasLost`: the reading before failed. */
  return (members: ReadonlyMap<string, T>, next: Map<string, T>, wasLost: boolean): void => {
    const staying = [...members].filter(([, member]) => !isDraining(member));
    const isEmpty = next.size === 0 && staying.length > 0;
    const named = staying.filter(([id]) => lastNamed.has(id));
    const gone = named.filter(([id]) => !next.has(id));
    lastNamed = new Set(next.keys());
    if (wasLost || isEmpty || gone.length > named.length / 2) keepUntil = now() + entryTtlMs;
    if (now() >= keepUntil) return;
    for (const [id, member] of members) if (!next.has(id)) next.set(id, member);
  };
};
