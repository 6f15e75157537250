/**
 * A new password for a reset token instead of the current one. Order: the token is bound to this
 * request, the node writes (it wants our proof), the token is spent, backup and log hear of it, answer.
 * Whatever fails is 503, and the same request again finds how far it came and does the rest. The
 * answer has no tokens: whoever resets a password signs in with it.
 */
import { AppError } from '../shared/errors.js';
import type { Ctx, Reply } from '../shared/http.js';
import { newId } from '../shared/new-id.js';
import { resetProof } from '../shared/protocol.js';
import type { Addresses } from './address.js';
import type { Attempts, Work } from './attempts.js';
import { type FollowUp, hasUnknownFate } from './follow-up.js';
import type { Limits } from './limits/limits.js';
import type { Claim, Resets } from './sessions/resets.js';
import type { UserSessions } from './sessions/user-sessions.js';

export type PasswordReset = ReturnType<typeof createPasswordReset>;

export const createPasswordReset = ({
  resets,
  limits,
  attempts,
  addresses,
  userSessions,
  followUp,
  secret,
}: {
  resets: Resets;
  limits: Limits;
  attempts: Attempts;
  addresses: Addresses;
  userSessions: Pick<UserSessions, 'publishGen'>;
  followUp: FollowUp;
  /** NODE_SECRET, the current one. */
  secret: string;
}) => {
  /**
   * A wrong token is a failure of the address alone. The account in it is whatever the caller wrote
   * there, so a stranger could lock it; a name of no account takes its place.
   */
  const claim = async (ctx: Ctx, token: string, password: string): Promise<Claim> => {
    const { client, network } = addresses.of(ctx.req);
    const guess = { u: newId(), client, network, kind: 'password' } as const;
    const reservation = await limits.reserve(guess);
    const claimed = await resets.claim(token, password).catch(async (error: unknown) => {
      await reservation.release();
      throw error;
    });
    if (claimed !== undefined) await reservation.release();
    else await reservation.fail();
    if (claimed === undefined) throw new AppError('token_invalid', { detail: 'reset token' });
    return claimed;
  };

  const workOf = ({ u, gen, attemptId }: Claim, password: string): Work => ({
    kind: 'password',
    route: '/reset',
    attemptId,
    u,
    class: 'password',
    proven: 'reset',
    body: {
      u,
      new_password: password,
      gen: String(gen),
      proof: resetProof(secret, { attemptId, u, gen, password }),
    },
  });

  /** The account's new generation. */
  const write = async (ctx: Ctx, token: string, claimed: Claim, password: string) => {
    const from = addresses.of(ctx.req);
    try {
      const { verdict, release } = await attempts.run(ctx, workOf(claimed, password), from);
      await release();
      if (verdict.outcome === 'ok') return verdict.gen;
    } catch (error) {
      // What was certainly not written leaves the token as it was: too common a password, full nodes.
      if (!hasUnknownFate(error)) await resets.reopen(token);
      throw error;
    }
    await resets.discard(token);
    throw new AppError('token_invalid', { detail: 'the account changed since' });
  };

  const change = async (ctx: Ctx, token: string, claimed: Claim, password: string) => {
    const gen = claimed.done ?? (await write(ctx, token, claimed, password));
    if (claimed.done === undefined) await resets.finish(token, gen);
    await userSessions.publishGen(claimed.u, gen);
  };

  /** Throws token_invalid, too_many_attempts, bad_request with the rule, and what nodes throw. */
  return async (ctx: Ctx, token: string, password: string): Promise<Reply> => {
    const claimed = await claim(ctx, token, password);
    const { u, gen } = claimed;
    ctx.facts = { account: u, by: 'reset_token' };
    await followUp(u, gen, () => change(ctx, token, claimed, password));
    return { status: 204 };
  };
};
