/** Admin calls to one node by id (drain, metrics), on connections of their own and never retried. */
import { AppError } from '../../shared/errors.js';
import { headers as names } from '../../shared/protocol.js';
import type { Answer } from './forward.js';
import type { Node } from './pool.js';

const timeoutMs = 1000;
/** The metrics of a node are larger than any verdict. */
const maxBytes = 4 * 1024 * 1024;

const read = (answer: Answer): unknown => {
  if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) return answer.body;
  if (answer.kind === 'timeout') throw new AppError('timeout');
  if (answer.kind === 'unreached') throw new AppError('no_node');
  throw new AppError('bad_node_answer', {
    detail: answer.kind === 'answered' ? `status ${answer.status}` : answer.kind,
  });
};

/** The body of the node's 2xx answer; AppError not_found for an unknown id. */
export const createCall =
  ({ find }: { find: (id: string) => Node | undefined }) =>
  async (nodeId: string, method: 'GET' | 'POST', path: string): Promise<unknown> => {
    const node = find(nodeId);
    if (node === undefined) throw new AppError('not_found');
    const headers = { host: 'node', [names.caller]: node.proof };
    const request = { method, path, headers, timeoutMs, maxBytes };
    return read(
      await new Promise<Answer>((resolve) => {
        node.line.sendAside(request, resolve);
      }),
    );
  };
