/**
 * What stands for the registry of nodes, whose real reader (gateway/nodes/registry.ts) waits for Redis and
 * files: nodes enter themselves once a second, edges read twice a second who did so lately, and keep those
 * that are missing by the real rule. The test beside this holds it against the real one.
 */
import { createKeepMissing } from '../gateway/nodes/keep-missing.js';
import { entryTtlMs } from '../shared/node-registry.js';

export type Store<T> = ReturnType<typeof createStore<T>>;

export const beatEveryMs = 1000;
export const readEveryMs = 500;

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
      const live = [...entries].filter(([, { seenAt }]) => seenAt >= now() - entryTtlMs);
      return new Map(live.map(([id, { member }]) => [id, member]));
    },
    freeze: (isSo: boolean) => {
      isFrozen = isSo;
    },
  };
};

/** The membership as one edge knows it. */
export const createMembership = <T>(options: {
  read: () => Map<string, T> | undefined;
  isDraining: (member: T) => boolean;
  now: () => number;
}) => {
  const { read, isDraining, now } = options;
  let members = new Map<string, T>();
  const keepMissing = createKeepMissing<T>({ isDraining, now });
  let isFailing = false;

  /** Reads anew. */
  return (): Map<string, T> => {
    const next = read();
    if (next !== undefined) {
      keepMissing(members, next, isFailing);
      members = next;
    }
    isFailing = next === undefined;
    return members;
  };
};
