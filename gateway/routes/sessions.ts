/**
 * /v1/sessions: where the caller is signed in, and the end of it: of one session, of the others, of
 * all. An id that is none of the caller's is not there, whoever's it is: that is decided by the
 * account in it, not by the store, so nothing can be learned from the answer.
 */
import { AppError } from '../../shared/errors.js';
import { invalidField } from '../../shared/fields.js';
import type { Ctx, Route } from '../../shared/http.js';
import type { Caller, Callers, Identify } from '../caller.js';
import type { FollowUp } from '../follow-up.js';
import { clearCookie } from '../sessions/cookie.js';
import type { SessionEnd } from '../sessions/session-end.js';
import { isSessionOf } from '../sessions/session-id.js';
import type { SessionView, UserSessions } from '../sessions/user-sessions.js';

const path = '/v1/sessions';

/** 'current' or nothing: a slip in the query must not end more than was meant. */
const readKeep = (req: Ctx['req']): boolean => {
  const [, query] = (req.url ?? '').split('?', 2);
  if (query !== undefined && query !== 'keep=current') throw invalidField('keep');
  return query !== undefined;
};

const show = (session: SessionView, current: string) => ({
  session_id: session.sessionId,
  created_at: new Date(session.createdAt).toISOString(),
  last_used_at: new Date(session.lastUsedAt).toISOString(),
  client_address: session.address,
  user_agent: session.userAgent,
  current: session.sessionId === current,
});

export const createSessionRoutes = ({
  callers,
  userSessions,
  sessionEnd,
  followUp,
}: {
  callers: Omit<Callers, 'findPrevious'>;
  userSessions: UserSessions;
  sessionEnd: Pick<SessionEnd, 'ofCaller'>;
  followUp: FollowUp;
}): Route[] => {
  const ownerBy = async (identify: Identify<Caller>, ctx: Ctx): Promise<Caller> => {
    const claims = await identify(ctx.req);
    ctx.facts = { user_id: claims.sub, session_id: claims.sid };
    return claims;
  };

  /** Ending one's own session is repeatable, as logout is; for any other it must be alive. */
  const ownerEnding = async (ctx: Ctx, sessionId: string) => {
    const last = await callers.identifyForLogout(ctx.req);
    if (last === undefined) throw new AppError('session_ended');
    const claims = last.sid === sessionId ? last : await callers.identifyToChange(ctx.req);
    ctx.facts = { user_id: claims.sub, session_id: claims.sid, ends: sessionId };
    return claims;
  };

  /**
   * A token may repeat it, and ends nothing that began since. A cookie's record goes with the others, so a
   * browser cannot repeat what failed: somebody must.
   */
  const endAll = async (owner: Caller): Promise<void> => {
    const gen = await followUp(owner.u, owner.gen, () => userSessions.endAll(owner.u, owner));
    if (gen === undefined) throw new AppError('session_ended');
  };

  return [
    {
      method: 'GET',
      path,
      body: 'none',
      handle: async (ctx) => {
        const owner = await ownerBy(callers.identify, ctx);
        const sessions = await userSessions.list(owner);
        return {
          status: 200,
          body: { sessions: sessions.map((session) => show(session, owner.sid)) },
        };
      },
    },
    {
      method: 'DELETE',
      path,
      body: 'none',
      handle: async (ctx) => {
        const isKept = readKeep(ctx.req);
        const { identifyToChange, identifyToEndAll } = callers;
        const owner = await ownerBy(isKept ? identifyToChange : identifyToEndAll, ctx);
        ctx.facts = { ...ctx.facts, ends: isKept ? 'others' : 'all' };
        if (isKept) await userSessions.endOthers(owner);
        else await endAll(owner);
        return owner.isCookie && !isKept ? { status: 204, headers: clearCookie } : { status: 204 };
      },
    },
    {
      method: 'DELETE',
      path,
      prefix: true,
      body: 'none',
      handle: async (ctx) => {
        const sessionId = ctx.path.slice(path.length + 1);
        const owner = await ownerEnding(ctx, sessionId);
        if (!isSessionOf(owner.u, sessionId)) throw new AppError('not_found');
        if (owner.isCookie && sessionId === owner.sid) {
          await sessionEnd.ofCaller(owner);
          return { status: 204, headers: clearCookie };
        }
        await userSessions.endOne(owner, sessionId);
        return { status: 204 };
      },
    },
  ];
};
