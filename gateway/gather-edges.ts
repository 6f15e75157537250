/**
 * What the primary does for a scrape: asks every edge for its part, and hands all of them to who
 * asked, with the place of each edge. A successor has the place of the one before it.
 */
import type { Worker } from 'node:cluster';
import { whenLate } from '../shared/late.js';
import { tell } from './children.js';
import type { Topic } from './ipc.js';

type Edge = { place: number; worker: Worker };
type Gathering = {
  from: Worker;
  parts: object[][];
  places: number[];
  /** Edges that have not answered. */
  missing: Map<Worker, number>;
  stopWaiting: () => void;
};

/** Partial answers are fine: a hung edge must not blind the scrape. */
const patienceMs = 1000;

export const createGatherEdges = (edges: () => readonly Edge[]) => {
  const underWay = new Map<number, Gathering>();

  const finish = (id: number) => {
    const gathering = underWay.get(id);
    if (gathering === undefined) return;
    underWay.delete(id);
    const { from, parts, places, stopWaiting } = gathering;
    stopWaiting();
    tell(from, { t: 'collected', id, parts, places });
  };

  return {
    start: (from: Worker, { id, topic }: { id: number; topic: Topic }): void => {
      const missing = new Map(edges().map(({ worker, place }) => [worker, place]));
      const stopWaiting = whenLate(patienceMs, () => finish(id));
      underWay.set(id, { from, parts: [], places: [], missing, stopWaiting });
      for (const edge of missing.keys()) tell(edge, { t: 'collect', id, topic });
      if (missing.size === 0) finish(id);
    },

    addPart: (edge: Worker, { id, part }: { id: number; part: object[] }): void => {
      const found = underWay.get(id);
      const place = found?.missing.get(edge);
      if (found === undefined || place === undefined) return;
      found.missing.delete(edge);
      found.parts.push(part);
      found.places.push(place);
      if (found.missing.size === 0) finish(id);
    },
  };
};
