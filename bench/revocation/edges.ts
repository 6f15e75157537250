/** The edges of a fleet as the revocation bench uses them: known one by one, each over lines of its own. */
import type { Fleet } from '../fleet.js';
import { openEdgeLine } from './edge-lines.js';

export type Edge = Awaited<ReturnType<typeof openEdge>>;

const openEdge = async (fleet: Fleet, pid: number) => {
  const target = { host: '127.0.0.1', port: fleet.port };
  const lines = [await openEdgeLine(target, pid), await openEdgeLine(target, pid)] as const;
  const [act, check] = lines;
  return {
    /** For what changes something. */
    act: act.ask,
    /** For token checks. */
    check: check.ask,
    close: () => {
      for (const line of lines) line.close();
    },
  };
};

export const openEdges = async (fleet: Fleet): Promise<Edge[]> => {
  const edges: Edge[] = [];
  for (const { kind, pid } of fleet.processes())
    if (kind === 'edges') edges.push(await openEdge(fleet, pid));
  return edges;
};
