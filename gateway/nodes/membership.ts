/**
 * What is different between two memberships, for the log: which nodes came, went, were restarted,
 * or are to be used no more. Slots and endpoints may change without a word.
 */
import type { NodeEntry } from '../../shared/protocol.js';

type Known = { readonly entry: Pick<NodeEntry, 'boot_id' | 'draining'> };
type Nodes = ReadonlyMap<string, Known>;
type Kind = 'joined' | 'restarted' | 'draining' | 'undrained';

const kindOf = (before: Known | undefined, { entry }: Known): Kind | undefined => {
  if (before === undefined) return 'joined';
  if (before.entry.boot_id !== entry.boot_id) return 'restarted';
  if (before.entry.draining === entry.draining) return undefined;
  return entry.draining ? 'draining' : 'undrained';
};

/** The ids by what became of them, without what became of none; undefined when that is all. */
export const findChanges = (
  before: Nodes,
  after: Nodes,
): Partial<Record<Kind | 'left', string[]>> | undefined => {
  const changes: Partial<Record<Kind | 'left', string[]>> = {};
  for (const [id, node] of after) {
    const kind = kindOf(before.get(id), node);
    if (kind !== undefined) changes[kind] = [...(changes[kind] ?? []), id];
  }
  const left = [...before.keys()].filter((id) => !after.has(id));
  if (left.length > 0) changes.left = left;
  return Object.keys(changes).length > 0 ? changes : undefined;
};
