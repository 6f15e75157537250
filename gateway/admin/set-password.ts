/**
 * A new password for a user by an operator: the node writes it for our proof, as for a reset token, and
 * everything issued before is dead. When the answer is lost, the same command again sets it again.
 */
import { AppError } from '../../shared/errors.js';
import { newId } from '../../shared/new-id.js';
import { resetProof } from '../../shared/protocol.js';
import type { Nodes } from '../nodes/nodes.js';
import type { UserSessions } from '../sessions/user-sessions.js';

export type SetPassword = ReturnType<typeof createSetPassword>;

const deadlineMs = 5000;

export const createSetPassword =
  ({
    nodes,
    userSessions,
    secret,
  }: {
    nodes: Pick<Nodes, 'submit'>;
    userSessions: Pick<UserSessions, 'publishGen'>;
    /** NODE_SECRET, the current one. */
    secret: string;
  }) =>
  /** `gen`: the account as it was found. Throws not_found when it is no more, and what nodes throw. */
  async (account: { u: string; gen: number; requestId: string }, password: string) => {
    const { u, gen, requestId } = account;
    const attemptId = newId();
    const proof = resetProof(secret, { attemptId, u, gen, password });
    const verdict = await nodes.submit({
      ...{ route: '/reset', u, attemptId, class: 'password', requestId },
      body: { u, new_password: password, gen: String(gen), proof },
      deadlineAt: performance.now() + deadlineMs,
    });
    // Disabled, without a record, or changed at this moment.
    if (verdict.outcome !== 'ok') throw new AppError('not_found');
    await userSessions.publishGen(u, verdict.gen);
  };
