/**
 * The way of one job: account cap → choose → attempt → at most one more attempt, elsewhere.
 * A second one is free when the first was certainly not started, costs a token of the retry budget
 * when it may have been, and is not made when it would not help. The last one, whichever it is, has until the
 * job's deadline. It is safe to repeat: a login writes nothing at the node, and register and password carry the
 * attempt id into the record, so that a repeat finds its own write. Nothing is ever hedged.
 */
import { AppError } from '../../shared/errors.js';
import type { Verdict, WorkClass } from '../../shared/protocol.js';
import type { Attempt, Job } from './attempt.js';
import type { Choose } from './choose.js';
import type { Meters } from './meters.js';
import { type Failure, rows } from './outcome.js';
import type { Node } from './pool.js';
import type { RetryBudget } from './retry.js';

/** Distinct attempts of one account in flight at this edge. */
const maxPerAccount = 2;

/** What follows from somebody turned away lasts for a tenth of a second and more (load.ts). */
const noteEveryMs = 5;

/**
 * Who is suspected of being a machine gets nothing for so long after somebody better was refused: the longest
 * that the refused are told to stay away.
 */
const outrankedMs = 3000;

/** What leaves a record behind, with the attempt's id in it. */
const writes = ({ route }: Job): boolean => route !== '/login';

export const createDispatch = (options: {
  nodes: () => readonly Node[];
  choose: Choose<Node>;
  attempt: Attempt;
  budget: RetryBudget;
  meters: Meters;
  /** Reads the membership anew, when a node turns out to be another boot. */
  refresh: () => Promise<void>;
  now: () => number;
  random?: () => number;
}) => {
  const { nodes, choose, attempt, budget, meters, refresh, now, random = Math.random } = options;
  const perAccount = new Map<string, number>();

  /** One, two or three seconds (the header has no fractions), or everyone refused would come back at once. */
  const overloaded = (cause?: AppError) =>
    new AppError('overloaded', { retryAfterMs: 1000 * (1 + Math.floor(3 * random())), cause });

  /** By class, when the nodes' loads last heard of it. */
  const notedAt = new Map<WorkClass, number>();
  const noteTurnedAway = (cls: WorkClass) => {
    const at = now();
    if (at - (notedAt.get(cls) ?? Number.NEGATIVE_INFINITY) < noteEveryMs) return;
    notedAt.set(cls, at);
    for (const { load } of nodes()) load.turnedAway(at, cls);
  };

  let outrankedUntil = Number.NEGATIVE_INFINITY;
  const noteRefused = (cls: WorkClass) => {
    if (cls === 'device' || cls === 'login') outrankedUntil = now() + outrankedMs;
  };

  /** A short queue is no room for the last class while others are turned away. */
  const find = (key: string, cls: WorkClass, except?: Node): ReturnType<Choose<Node>> => {
    if (cls === 'suspect' && now() < outrankedUntil) return { kind: 'full' };
    const query = { key, cls, now: now() };
    return choose(nodes(), except === undefined ? query : { ...query, except });
  };

  const noRoom = (cls: WorkClass, cause?: AppError): AppError => {
    noteTurnedAway(cls);
    noteRefused(cls);
    return overloaded(cause);
  };

  const refuse = (reason: 'full' | 'none', cls: WorkClass): AppError => {
    meters.shed(reason);
    return reason === 'none' ? new AppError('no_node') : noRoom(cls);
  };

  const checkAccount = (u: string) => {
    if ((perAccount.get(u) ?? 0) < maxPerAccount) return;
    meters.shed('account');
    throw new AppError('too_many_attempts', { retryAfterMs: 1000 });
  };

  const leave = (u: string) => {
    const left = (perAccount.get(u) ?? 1) - 1;
    if (left === 0) perAccount.delete(u);
    else perAccount.set(u, left);
  };

  /** What a second node says, or that there is none, must not hide this. */
  const mayHaveWritten = (job: Job, { label }: Failure): boolean =>
    writes(job) && rows[label].retry !== 'free';

  /**
   * Who was let in and may have been started is no newcomer when its node fails, and has a known device's chance
   * elsewhere: else a node that dies under load takes those with it for whom the others have no room just then.
   */
  const repeatOf = (job: Job, { label }: Failure): Job =>
    job.class === 'login' && rows[label].retry === 'token' ? { ...job, class: 'device' } : job;

  /**
   * Where to try again after `failure` at `first`; undefined when it would not help. Throws overloaded, with the cause,
   * when only room or the budget is missing and nothing was written: the client has lost nothing but time.
   */
  const findSecond = async (job: Job, first: Node, failure: Failure): Promise<Node | undefined> => {
    const { retry } = rows[failure.label];
    if (retry === 'never' || (retry === 'write' && !writes(job))) return undefined;
    if (failure.label === 'stale_boot') await refresh();
    if (job.signal?.aborted || now() >= job.deadlineAt) return undefined;
    const choice = find(job.u, job.class, first);
    // Nothing was written, and only full nodes are left.
    if (choice.kind === 'full' && !mayHaveWritten(job, failure))
      throw noRoom(job.class, failure.error);
    if (choice.kind !== 'node') return undefined;
    if (retry !== 'free' && !budget.spend()) {
      meters.denied(failure.label);
      if (mayHaveWritten(job, failure)) return undefined;
      throw overloaded(failure.error);
    }
    meters.retried(failure.label);
    return choice.node;
  };

  const errorOf = (job: Job, { label, error }: Failure): AppError => {
    if (label !== 'refused') return error;
    noteRefused(job.class);
    return overloaded();
  };

  const run = async (job: Job): Promise<Verdict> => {
    budget.earn();
    const choice = find(job.u, job.class);
    if (choice.kind !== 'node') throw refuse(choice.kind, job.class);
    const body = JSON.stringify(job.body);
    const isLast = () => find(job.u, job.class, choice.node).kind === 'none';
    const first = await attempt(choice.node, job, { body, isLast });
    if (first.kind === 'verdict') return first.verdict;
    const again = repeatOf(job, first);
    const node = await findSecond(again, choice.node, first);
    if (node === undefined) throw errorOf(job, first);
    const second = await attempt(node, again, { body, isLast: () => true });
    if (second.kind === 'verdict') return second.verdict;
    throw errorOf(job, mayHaveWritten(job, first) ? first : second);
  };

  /**
   * Throws overloaded, no_node or too_many_attempts when submitting now would be in vain. Else a place is kept
   * until the returned function is called, which is right before the work is submitted: all who come while
   * the store is asked about the first would count on the same one.
   */
  const hold = (u: string, cls: WorkClass): (() => void) => {
    checkAccount(u);
    const choice = find(u, cls);
    if (choice.kind !== 'node') throw refuse(choice.kind, cls);
    return choice.node.load.hold();
  };

  /**
   * The verdict, or AppError: overloaded, no_node, too_many_attempts, bad_node_answer,
   * store_unavailable, timeout, or bad_request with the node's reason.
   */
  const submit = async (job: Job): Promise<Verdict> => {
    checkAccount(job.u);
    if (job.signal?.aborted || now() >= job.deadlineAt) throw new AppError('timeout');
    perAccount.set(job.u, (perAccount.get(job.u) ?? 0) + 1);
    try {
      return await run(job);
    } finally {
      leave(job.u);
    }
  };

  /** For what this edge has no time to look at. */
  const whenBehind = (): AppError => {
    meters.shed('behind');
    return overloaded();
  };

  return { hold, submit, whenBehind };
};
