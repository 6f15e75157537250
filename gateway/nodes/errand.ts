/**
 * Work on records that any node can do and that may be repeated: batches of an import, pages of an
 * export, one record to show or remove. It takes no thread, so no load is kept; the nodes take turns, and
 * the next one is asked when one does not answer.
 */
import { AppError, type ErrorCode } from '../../shared/errors.js';
import { linesType } from '../../shared/lines.js';
import { headers as names } from '../../shared/protocol.js';
import type { Answer } from './forward.js';
import type { Node } from './pool.js';
import { refusalOf } from './refusal.js';

export type Errand = ReturnType<typeof createErrand>;

const timeoutMs = 10_000;
const maxBytes = 16 * 1024 * 1024;
const maxNodes = 3;

/** What a node says of the errand itself, or of what it needs for it. */
const known: readonly ErrorCode[] = [
  ...(['not_found', 'payload_too_large', 'store_refused', 'store_unavailable'] as const),
  ...(['overloaded', 'key_missing', 'library_missing'] as const),
];
/** Another node would say the same. */
const final: readonly ErrorCode[] = ['bad_request', 'key_missing', 'store_refused'];

const errorOf = (answer: Answer): AppError => {
  if (answer.kind === 'answered') return refusalOf(answer, known);
  if (answer.kind === 'timeout') return new AppError('timeout');
  return new AppError(answer.kind === 'unreached' ? 'no_node' : 'bad_node_answer');
};

export const createErrand = ({
  nodes,
  now,
}: {
  nodes: () => readonly Node[];
  now: () => number;
}) => {
  let turn = 0;

  /** Those that are up, the next in turn first. */
  const candidates = (): Node[] => {
    const up = nodes().filter(
      (node) => !node.isDraining() && node.breaker.at(now()).kind !== 'open',
    );
    const first = up.length === 0 ? 0 : turn++ % up.length;
    return [...up.slice(first), ...up.slice(0, first)].slice(0, maxNodes);
  };

  const ask = (node: Node, path: string, body: string): Promise<Answer> => {
    const headers = { host: 'node', 'content-type': linesType, [names.caller]: node.proof };
    const request = { method: 'POST', path, headers, body, timeoutMs, maxBytes };
    return new Promise((resolve) => {
      node.forward.send(request, resolve);
    });
  };

  /** The body of the first 2xx answer. Throws what the last node refused with, or no_node. */
  return async (path: string, lines: readonly object[]): Promise<unknown> => {
    const body = lines.map((line) => JSON.stringify(line)).join('\n');
    let error = new AppError('no_node');
    for (const node of candidates()) {
      const answer = await ask(node, path, body);
      if (answer.kind === 'answered' && answer.status < 300) return answer.body;
      error = errorOf(answer);
      if (final.includes(error.code)) throw error;
    }
    throw error;
  };
};
