/**
 * Who gets a hash thread, and when: one queue in front of the threads, measured in milliseconds of
 * work (design § 4.8). A request is let in, before its record is looked up, only if a hash at the
 * default cost could start within its budget and end before its deadline; what is refused here has
 * not been started and says how long the wait would have been.
 *
 *   enter ──▶ [ticket: the record is being looked up] ── run ──▶ queue ──▶ slot: ahead ──▶ running
 *     └─ refused                    └─ leave                       └─ late, or the client has left
 *
 * A dearer stored hash is charged to those who arrive later, in time and in memory, waits for its memory
 * while cheaper ones pass, and is not refused: a refusal would tell who has not been migrated. Pure apart
 * from `send`; the clock is an argument.
 */
import { budgetShares } from '../../shared/budgets.js';
import { AppError } from '../../shared/errors.js';
import type { Load, WorkClass } from '../../shared/protocol.js';
import { createEstimates } from './estimates.js';
import type { Cost } from './recipes/recipe.js';
import { createSlots, type Slot } from './slots.js';
import { createStanding } from './standing.js';
import type { Done } from './threads.js';
import type { Work } from './work.js';

export type Admission = ReturnType<typeof createAdmission>;
export type AdmissionClass = WorkClass | 'migration' | 'campaign';
export type Decision = 'admitted' | 'full' | 'late' | 'late_queued' | 'client_left';

/** What a request asks for. */
export type Wanted = {
  class: AdmissionClass;
  /** On the clock of `performance.now()`. */
  deadlineAt: number;
  isGone: () => boolean;
  /** To be told of it, so that whoever waits behind need not wait for this one. */
  whenGone?: (tell: () => void) => void;
  /**
   * Others were turned away before they came here: an edge that foresees refusals leaves the node few
   * to make, and its queue is no emptier for it.
   */
  isCrowded?: boolean;
};

/** Place in the node of one request, from `enter` until its hash is done or it leaves. */
export type Ticket = Readonly<Pick<Wanted, 'class' | 'deadlineAt' | 'isGone' | 'whenGone'>> & {
  isReserved: boolean;
};

type Job = {
  ticket: Ticket;
  work: Work;
  cost: Cost;
  estimateMs: number;
  queuedAt: number;
  resolve: (result: boolean | string) => void;
  reject: (error: AppError) => void;
};

/** What the rest of the node wants to hear; bound to metrics by the composition root. */
export type Watch = {
  decided: (cls: AdmissionClass, decision: Decision, waitMs: number) => void;
  served: (kind: string, tookMs: number, queuedMs: number) => void;
};

/** Who has no share gets only what `hasRoom` finds, because nobody waits for it. */
const shares: Readonly<Record<AdmissionClass, number>> = {
  ...budgetShares,
  migration: 0,
  campaign: 0,
};
/**
 * An estimate above this does not refuse a request by itself: it may be wrong (the machine slept while
 * the first hash ran), and a node that refuses everything would never learn.
 */
const maxDoubtMs = 1000;

export const createAdmission = (options: {
  slots: number;
  /** All hashes running at once may use this much; one alone is never held back. */
  memoryBytes: number;
  defaultCost: Cost;
  /** First guess for a default hash, until one was measured. */
  initialMs?: number;
  send: (slot: number, work: Work, done: Done) => void;
  now?: () => number;
  watch?: Watch;
}) => {
  const { slots: count, defaultCost, memoryBytes, send, watch } = options;
  const now = options.now ?? performance.now.bind(performance);
  const { serviceMs, usualMs, estimate, learn } = createEstimates(defaultCost, options.initialMs);
  const slots = createSlots<Job>({ count: options.slots, memoryBytes, defaultCost });
  const queue: Job[] = [];
  const standing = createStanding();
  const idleWaiters: (() => void)[] = [];
  let reserved = 0;
  let inSlots = 0;

  const inflight = (): number => reserved + queue.length + inSlots;

  /** How long a hash that arrives now would wait. */
  const waitMs = (at: number): number =>
    slots.waitMs(at, {
      ...{ queue, reserved, serviceMs: serviceMs() },
      isThreadFree: inflight() < count,
    });

  /**
   * Is there anything to spare for work that nobody waits for? A free thread, and nobody refused for
   * two seconds: that is the idle time of the threads and no more, so it shrinks to nothing as load
   * grows, also where a free thread is no free core.
   */
  const hasRoom = (): boolean => inflight() < count && standing.isCalm(now());

  const noteEmpty = (at: number) => {
    if (inflight() <= count) standing.noteEmpty(at);
    if (idleWaiters.length > 0 && inflight() === 0) for (const fn of idleWaiters.splice(0)) fn();
  };

  const refuse = (cls: AdmissionClass, decision: Decision, wait: number): AppError => {
    watch?.decided(cls, decision, wait);
    return new AppError('overloaded', { retryAfterMs: wait, detail: decision });
  };

  /**
   * A ticket, or AppError overloaded with the predicted wait: nothing has been started.
   * The holder must end with `run` or `leave`.
   */
  const enter = (wanted: Wanted): Ticket => {
    const { class: cls, deadlineAt, isCrowded } = wanted;
    const at = now();
    if (isCrowded) standing.noteFull(at);
    noteEmpty(at);
    const wait = waitMs(at);
    const service = serviceMs();
    if (shares[cls] === 0 ? !hasRoom() : wait > standing.budgetMs(usualMs()) * shares[cls]) {
      // Classes that are refused sooner say nothing about how full it is for the others.
      if (shares[cls] >= budgetShares.login) standing.noteFull(at);
      throw refuse(cls, 'full', wait);
    }
    if (at + wait + Math.min(service, maxDoubtMs) > deadlineAt) throw refuse(cls, 'late', wait);
    watch?.decided(cls, 'admitted', wait);
    reserved++;
    return { ...wanted, isReserved: true };
  };

  const release = (ticket: Ticket) => {
    if (ticket.isReserved) reserved--;
    ticket.isReserved = false;
  };

  /** Gives the place back without a hash. Harmless after `run`. */
  const leave = (ticket: Ticket): void => {
    release(ticket);
    noteEmpty(now());
  };

  /** Why a job must not start any more. */
  const reasonToDrop = (job: Job, slot: Slot<Job>, at: number): Decision | undefined => {
    if (job.ticket.isGone()) return 'client_left';
    // At most the default cost: a deadline that only dear hashes miss would tell who has one.
    const takesMs = Math.min(job.estimateMs, serviceMs(), maxDoubtMs);
    return at + slots.leftMs(slot, at) + takesMs > job.ticket.deadlineAt
      ? 'late_queued'
      : undefined;
  };

  const handOver = (slot: Slot<Job>, job: Job, at: number) => {
    inSlots++;
    if (slot.running === undefined) {
      slot.running = job;
      slot.startedAt = at;
    } else slot.ahead = job;
    send(slot.index, job.work, (error, result) => finish(slot, job, error, result));
  };

  const pump = (at: number) => {
    const isOver = (job: Job, slot: Slot<Job>) => reasonToDrop(job, slot, at) !== undefined;
    const next = () => slots.next(queue, at, isOver);
    for (let found = next(); found !== undefined; found = next()) {
      const { place, job, slot } = found;
      queue.splice(place, 1);
      const reason = reasonToDrop(job, slot, at);
      if (reason === undefined) handOver(slot, job, at);
      else job.reject(refuse(job.ticket.class, reason, slots.leftMs(slot, at)));
    }
  };

  /** A thread answers in order, so what it answers is what runs in its slot. */
  const finish = (slot: Slot<Job>, job: Job, error?: AppError, result?: boolean | string) => {
    const at = now();
    const { startedAt } = slot;
    inSlots--;
    slot.running = slot.ahead;
    slot.ahead = undefined;
    slot.startedAt = at;
    if (error !== undefined || result === undefined)
      job.reject(error ?? new AppError('internal', { detail: 'a thread gave no answer' }));
    else {
      learn(job.cost, at - startedAt);
      watch?.served(job.work[0], at - startedAt, startedAt - job.queuedAt);
      job.resolve(result);
    }
    pump(at);
    noteEmpty(at);
  };

  /** Out of the queue, if it is still there. */
  const drop = (job: Job) => {
    const place = queue.indexOf(job);
    if (place === -1) return;
    const at = now();
    queue.splice(place, 1);
    job.reject(refuse(job.ticket.class, 'client_left', waitMs(at)));
    pump(at);
    noteEmpty(at);
  };

  /**
   * The thread's answer. AppError overloaded when the deadline or the client was gone before the
   * hash began, or the thread died; nothing was written. A request may run several hashes.
   */
  const run = (ticket: Ticket, work: Work, cost: Cost): Promise<boolean | string> =>
    new Promise((resolve, reject) => {
      const queuedAt = now();
      release(ticket);
      const estimateMs = estimate(cost);
      const job: Job = { ticket, work, cost, estimateMs, queuedAt, resolve, reject };
      // Who left while the record was looked up is told of no more, and others would wait for their place.
      if (ticket.isGone()) {
        reject(refuse(ticket.class, 'client_left', waitMs(queuedAt)));
        return noteEmpty(queuedAt);
      }
      queue.push(job);
      pump(queuedAt);
      if (queue.includes(job)) ticket.whenGone?.(() => drop(job));
    });

  const load = (): Load => ({
    inflight: inflight(),
    queueMs: waitMs(now()),
    serviceMs: usualMs(),
    slots: count,
  });

  /** Resolves when nothing is admitted any more. */
  const idle = (): Promise<void> =>
    inflight() === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve));

  return { enter, run, leave, hasRoom, load, idle };
};
