/** Admin calls to one node by id (drain, metrics, campaign), on connections of their own, never retried. */
import { AppError } from '../../shared/errors.js';
import { headers as names } from '../../shared/protocol.js';
import type { Answer } from './forward.js';
import type { Node } from './pool.js';
import { refusalOf } from './refusal.js';

const timeoutMs = 1000;
const jsonHeaders = (json: string) => ({
  'content-type': 'application/json',
  'content-length': String(Buffer.byteLength(json)),
});

/** The metrics of a node are larger than any verdict. */
const maxBytes = 4 * 1024 * 1024;

const read = (answer: Answer): unknown => {
  if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) return answer.body;
  if (answer.kind === 'timeout') throw new AppError('timeout');
  if (answer.kind === 'unreached') throw new AppError('no_node');
  if (answer.kind === 'answered') throw refusalOf(answer, ['campaign_conflict']);
  throw new AppError('bad_node_answer', { detail: answer.kind });
};

/** The body of the node's 2xx answer; AppError not_found for an unknown id, and what it refuses. */
export const createCall =
  ({ find }: { find: (id: string) => Node | undefined }) =>
  async (
    nodeId: string,
    method: 'GET' | 'POST',
    path: string,
    given?: object,
  ): Promise<unknown> => {
    const node = find(nodeId);
    if (node === undefined) throw new AppError('not_found');
    const headers = { host: 'node', [names.caller]: node.proof };
    const json = given === undefined ? undefined : JSON.stringify(given);
    const request = {
      ...{ method, path, timeoutMs, maxBytes },
      ...(json === undefined
        ? { headers }
        : { headers: { ...headers, ...jsonHeaders(json) }, body: json }),
    };
    return read(
      await new Promise<Answer>((resolve) => {
        node.forward.sendAside(request, resolve);
      }),
    );
  };
