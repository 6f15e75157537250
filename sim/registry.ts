/**
 * What stands for the registry of nodes, whose real reader (gateway/nodes/registry.ts) waits for Redis and
 * files: nodes enter themselves once a second, edges read twice a second who did so lately, and keep those
 * that are missing by the same rule. The test beside this holds it against the real one.
 */
export type Store<T> = ReturnType<typeof createStore<T>>;

export const beatEveryMs = 1000;
export const readEveryMs = 500;
const ttlMs = 3000;

/** `undefined` from `read`, and a beat that is lost, while it is frozen. */
export const createStore = <T>(now: () => number) => {
  const entries = new Map<string, { member: T; seenAt: number }>();
  let isFrozen = false;
  return {
    beat: (id: string, member: T) => {
      if (!isFrozen) entries.set(id, { member, seenAt: now() });
    },
    read: (): Map<string, T> | undefined => {
      if (isFrozen) return undefined;
      const live = [...entries].filter(([, { seenAt }]) => seenAt >= now() - ttlMs);
      return new Map(live.map(([id, { member }]) => [id, member]));
    },
    freeze: (isSo: boolean) => {
      isFrozen = isSo;
    },
  };
};

/**
 * The membership as one edge knows it, by the rule of `keepMissing`: a store that was away has forgotten more
 * likely than the nodes have died, so whoever is missing stays until others are there, and one lifetime more;
 * for one lifetime also when most go at once.
 */
export const createMembership = <T>(options: {
  read: () => Map<string, T> | undefined;
  isDraining: (member: T) => boolean;
  now: () => number;
}) => {
  const { read, isDraining, now } = options;
  let members = new Map<string, T>();
  let lastNamed = new Set<string>();
  let keepUntil = Number.NEGATIVE_INFINITY;
  let isFailing = false;

  const keepMissing = (next: Map<string, T>) => {
    const staying = [...members].filter(([, member]) => !isDraining(member));
    const isEmpty = next.size === 0 && staying.length > 0;
    const named = staying.filter(([id]) => lastNamed.has(id));
    const gone = named.filter(([id]) => !next.has(id));
    lastNamed = new Set(next.keys());
    if (isFailing || isEmpty || gone.length > named.length / 2) keepUntil = now() + ttlMs;
    if (now() >= keepUntil) return;
    for (const [id, member] of members) if (!next.has(id)) next.set(id, member);
  };

  /** Reads anew. */
  return (): Map<string, T> => {
    const next = read();
    if (next !== undefined) {
      keepMissing(next);
      members = next;
    }
    isFailing = next === undefined;
    return members;
  };
};
