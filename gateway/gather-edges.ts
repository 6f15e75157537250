/** What the primary does for a scrape: asks every edge for its part, and hands all of them to who asked. */
import type { Worker } from 'node:cluster';
import { tell } from './children.js';
import type { Topic } from './ipc.js';

/** Partial answers are fine: a hung edge must not blind the scrape. */
const patienceMs = 1000;

export const createGatherEdges = (edges: () => readonly Worker[]) => {
  const underWay = new Map<number, { from: Worker; parts: object[][]; missing: number }>();

  const finish = (id: number) => {
    const gather = underWay.get(id);
    if (gather === undefined) return;
    underWay.delete(id);
    tell(gather.from, { t: 'collected', id, parts: gather.parts });
  };

  return {
    start: (from: Worker, { id, topic }: { id: number; topic: Topic }): void => {
      const asked = edges();
      underWay.set(id, { from, parts: [], missing: asked.length });
      for (const edge of asked) tell(edge, { t: 'collect', id, topic });
      setTimeout(finish, patienceMs, id).unref();
      if (asked.length === 0) finish(id);
    },

    addPart: (id: number, part: object[]): void => {
      const found = underWay.get(id);
      if (found === undefined) return;
      found.parts.push(part);
      if (--found.missing === 0) finish(id);
    },
  };
};
