/**
 * What an edge says about an attempt besides its body: id, class, time left; and how its verdict is
 * answered. Everything here is authenticated by the caller proof, but still read strictly, because
 * ids end up in signed verdicts and in records.
 */
import { invalidField, isScopes } from '../shared/fields.js';
import type { Ctx, Reply } from '../shared/http.js';
import {
  headers,
  isWorkClass,
  signVerdict,
  type Verdict,
  type WorkClass,
} from '../shared/protocol.js';

export type Attempt = {
  id: string;
  class: WorkClass;
  deadlineAt: number;
  isGone: () => boolean;
  whenGone: (tell: () => void) => void;
  isCrowded: boolean;
};
/** Answers a verdict, and logs it at level debug. */
export type SendVerdict = (ctx: Ctx, verdict: Verdict) => Reply;
type Logs = { debug(fields: object, text: string): void };

/** 128 bits in base64url: attempt ids and account keys. */
const id128 = /^[A-Za-z0-9_-]{22}$/;
const maxRemainingMs = 60_000;

/** AppError bad_request when a header is missing or malformed. */
export const readAttempt = ({ req, res, arrivedAt }: Ctx): Attempt => {
  const id = req.headers[headers.attempt];
  const cls = req.headers[headers.class];
  const remaining = req.headers[headers.remainingMs];
  if (typeof id !== 'string' || !id128.test(id)) throw invalidField(headers.attempt);
  if (!isWorkClass(cls)) throw invalidField(headers.class);
  if (typeof remaining !== 'string' || !/^\d{1,7}$/.test(remaining))
    throw invalidField(headers.remainingMs);
  const deadlineAt = arrivedAt + Math.min(Number(remaining), maxRemainingMs);
  const isCrowded = req.headers[headers.crowded] !== undefined;
  const isGone = () => res.destroyed;
  const whenGone = (tell: () => void) => void res.once('close', tell);
  return { id, class: cls, deadlineAt, isGone, whenGone, isCrowded };
};

const checkId128 = (field: string) => (id: string) => {
  if (!id128.test(id)) throw invalidField(field);
  return id;
};

/** The account key of a body, or AppError bad_request. */
export const checkAccountKey = checkId128('u');
/** The attempt of a row, or AppError bad_request. */
export const checkAttemptId = checkId128('attempt');

/** Scopes as records hold them (RFC 6749 § 3.3), or AppError bad_request. */
export const checkScopes = (scopes: string): string => {
  if (!isScopes(scopes)) throw invalidField('scopes');
  return scopes;
};

/** A normalised user name, empty when the caller sends none. */
export const checkName = (name = ''): string => {
  if (name.length > 512 || /\p{C}/u.test(name)) throw invalidField('name');
  return name;
};

/** A user id of ours or an imported one: 1 to 255 visible ASCII characters. */
export const checkUserId = (userId: string): string => {
  if (!/^[\x21-\x7e]{1,255}$/.test(userId)) throw invalidField('user_id');
  return userId;
};

export const createSendVerdict =
  (options: { secret: string; bootId: string; log: Logs }): SendVerdict =>
  (ctx, verdict) => {
    const { attempt_id, outcome } = verdict;
    options.log.debug(
      { request_id: ctx.requestId, attempt_id, outcome, path: ctx.path },
      'verdict',
    );
    return { status: 200, body: signVerdict(options.secret, options.bootId, verdict) };
  };

/** The verdict that lets in: into this account, as it is now. */
export const okVerdict = (
  attemptId: string,
  { userId, gen, scopes }: { userId: string; gen: number; scopes: string },
): Verdict => ({ attempt_id: attemptId, outcome: 'ok', user_id: userId, gen, scopes });

/** A verdict that says nothing about any account. */
export const bareVerdict = (attemptId: string, outcome: 'denied' | 'exists'): Verdict => ({
  attempt_id: attemptId,
  outcome,
  user_id: '',
  gen: 0,
  scopes: '',
});
