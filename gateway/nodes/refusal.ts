/**
 * What a node refuses, as an error of ours. Nothing of its bytes passes through: codes and reasons are
 * those of our own table by name, and a field looks like one.
 */
import { AppError, type ErrorCode, isErrorCode, isReason } from '../../shared/errors.js';

type Body = Record<string, unknown>;

/** Its bad_request, with the reason and the field that it names. */
export const badRequestOf = (body: unknown): AppError => {
  const { reason, field }: Body = { ...Object(body) };
  return new AppError('bad_request', {
    ...(isReason(reason) ? { reason } : {}),
    ...(typeof field === 'string' && /^[a-z_]{1,32}$/.test(field) ? { field } : {}),
  });
};

/**
 * An answer that is not 2xx. Of the node's codes only those in `known` are the caller's business; what
 * else is wrong is wrong between us and the node, and 503 to whoever asked us.
 */
export const refusalOf = (
  { status, body }: { status: number; body: unknown },
  known: readonly ErrorCode[],
): AppError => {
  const { error }: Body = { ...Object(body) };
  const detail = `status ${status}`;
  if (error === 'bad_request') return badRequestOf(body);
  // It has started anew, and we have not heard of it yet.
  if (error === 'not_authenticated') return new AppError('no_node', { detail });
  const isKnown = isErrorCode(error) && known.includes(error);
  return new AppError(isKnown ? error : 'bad_node_answer', { detail });
};
