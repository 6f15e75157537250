/**
 * One attempt at password work, from the limits that are known to the verdict (design § 4, steps 3 to 10), and
 * the sharing of identical ones: logins of the same account with the same password that are in
 * flight at this edge cost one reservation, one forward and one hash. Each waiter still gets a
 * session of its own. The key is an HMAC under a key of this process, kept only while in flight.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { AppError, codeOf } from '../shared/errors.js';
import type { Ctx } from '../shared/http.js';
import { newId } from '../shared/new-id.js';
import type { Verdict, WorkClass } from '../shared/protocol.js';
import type { ClientAddress } from './address.js';
import { defaultLimits } from './limits/limit-scripts.js';
import type { Limits } from './limits/limits.js';
import type { Nodes } from './nodes/nodes.js';

type Signal = { readonly aborted: boolean; onAbort(fn: () => void): void };

export type Work = {
  kind: 'login' | 'register' | 'password';
  u: string;
  class: WorkClass;
  /**
   * What the caller has shown to have besides a password (a known device, a session, a reset token): has guesses
   * of its own, so that nobody's wrong ones lock the owner out.
   */
  proven?: string;
  /** What the node needs; built from parsed values. */
  body: object;
  /** A route of another name than the kind of work. */
  route?: '/reset';
  /** For work whose repeat by the client is the same attempt. */
  attemptId?: string;
};

export type Settled = {
  verdict: Verdict;
  /** Ends the reservation; set for the one caller that made it. */
  release: () => Promise<void>;
};

type Shared = {
  settled: Promise<Settled>;
  waiters: number;
  abort: () => void;
  /** Whoever comes later would inherit an end that is near, with all of its own time left. */
  joinUntil: number;
  /** Other passwords that were tried for the account meanwhile. */
  misses: number;
};

const deadlineMs = 2500;
const joinMs = 1500;
/** As for an account's failures: guesses that come within a round trip to the store are not counted yet. */
const mostMisses = defaultLimits.account.failures;
const nothing = async () => {};
/** Nobody compares a password for these. */
const unstarted = ['overloaded', 'no_node', 'too_many_attempts'];

const createSignal = () => {
  const listeners: (() => void)[] = [];
  const signal = {
    aborted: false,
    /** At once when it is too late to wait for it. */
    onAbort: (fn: () => void): void => {
      if (signal.aborted) fn();
      else listeners.push(fn);
    },
  };
  const abort = () => {
    signal.aborted = true;
    for (const fn of listeners) fn();
  };
  return { signal, abort };
};

export type Attempts = ReturnType<typeof createAttempts>;

export const createAttempts = ({
  limits,
  nodes,
}: {
  limits: Pick<Limits, 'check' | 'reserve'>;
  nodes: Pick<Nodes, 'hold' | 'submit'>;
}) => {
  const shareKey = randomBytes(32);
  /** By account, then by key. */
  const inFlight = new Map<string, Map<string, Shared>>();

  const checkLimits = ({ u, proven, kind }: Work, { client, network }: ClientAddress) =>
    limits.check({ u, proven, client, network, kind });

  const reserve = (
    { u, kind, proven }: Work,
    { client, network }: ClientAddress,
    attemptId: string,
  ) => limits.reserve({ u, proven, client, network, kind, attemptId });

  /**
   * A guess that goes no further is a failure all the same: nobody compares passwords for nothing. But it may be right,
   * and what is in flight a stranger's: so never one of those that keep a known device out.
   */
  const countGuess = async (work: Work, from: ClientAddress): Promise<void> => {
    const { proven: _, ...unproven } = work;
    const { fail } = await reserve(unproven, from, newId());
    await fail();
  };

  const hold = (work: Work, from: ClientAddress, isGuess: boolean): (() => void) => {
    try {
      return nodes.hold(work.u, work.class);
    } catch (error) {
      if (isGuess) countGuess(work, from).catch(() => {});
      throw error;
    }
  };

  type Forward = {
    ctx: Ctx;
    work: Work;
    from: ClientAddress;
    signal: Signal;
    letGo: () => void;
    isGuess?: boolean;
  };

  /** `letGo` gives the place back that was kept for it; `isGuess`: it was compared with others, in vain. */
  const forward = async ({ ctx, work, from, signal, letGo, isGuess }: Forward) => {
    const attemptId = work.attemptId ?? newId();
    // Then submitting takes it again.
    const reservation = await reserve(work, from, attemptId).finally(letGo);
    let isAsked = false;
    try {
      if (signal.aborted) throw new AppError('timeout', { detail: 'nobody waits' });
      isAsked = true;
      const verdict = await nodes.submit({
        route: work.route ?? `/${work.kind}`,
        u: work.u,
        attemptId,
        // Who signed in from this device before is no machine that guesses, whatever its neighbours are.
        class: reservation.suspect && work.class !== 'device' ? 'suspect' : work.class,
        body: work.body,
        deadlineAt: ctx.arrivedAt + deadlineMs,
        requestId: ctx.requestId,
        signal,
      });
      if (verdict.outcome === 'denied') await reservation.fail();
      return { verdict, release: verdict.outcome === 'denied' ? nothing : reservation.release };
    } catch (error) {
      // Refused, timed out or lost: not the caller's fault. If this fails too, the lease runs out.
      // Leaving early is, once a node was asked: the hash may be running, and must not be free.
      const { abandon, fail, release } = reservation;
      const isDropped = signal.aborted && isAsked && !unstarted.includes(codeOf(error));
      const isOthers = isGuess && work.proven !== undefined;
      const end = isDropped ? abandon : isGuess && !isOthers ? fail : release;
      end().catch(() => {});
      if (isOthers && !isDropped) countGuess(work, from).catch(() => {});
      throw error;
    }
  };

  const whenGone = ({ res }: Ctx, then: () => void) => {
    if (res.destroyed) return then();
    res.once('close', () => {
      if (!res.writableFinished) then();
    });
  };

  /** Calls `abort` once every waiter's client has gone, which may be before anybody waits. */
  const watch = (ctx: Ctx, shared: Shared) => {
    if (ctx.res.destroyed) {
      if (shared.waiters === 0) shared.abort();
      return;
    }
    shared.waiters++;
    whenGone(ctx, () => {
      if (--shared.waiters === 0) shared.abort();
    });
  };

  /**
   * A password change or registration: never shared. A change is not dropped when the client leaves,
   * because what the node has written must be told to every edge; of an account that nobody waits for, no
   * edge needs to hear. Throws what limits and nodes throw.
   */
  const run = async (ctx: Ctx, work: Work, from: ClientAddress): Promise<Settled> => {
    checkLimits(work, from);
    const letGo = nodes.hold(work.u, work.class);
    const { signal, abort } = createSignal();
    if (work.kind === 'register') whenGone(ctx, abort);
    return forward({ ctx, work, from, signal, letGo });
  };

  const isJoinable = ({ joinUntil, misses }: Shared, { arrivedAt }: Ctx): boolean =>
    arrivedAt <= joinUntil && misses < mostMisses;

  const keep = (u: string, key: string, shared: Shared) => {
    const ofAccount = inFlight.get(u) ?? new Map<string, Shared>();
    inFlight.set(u, ofAccount.set(key, shared));
  };

  const forget = (u: string, key: string, shared: Shared) => {
    const ofAccount = inFlight.get(u);
    if (ofAccount?.get(key) !== shared) return;
    ofAccount.delete(key);
    if (ofAccount.size === 0) inFlight.delete(u);
  };

  /** A login: joins an identical one in flight, or becomes the one that others join. */
  const join = async (
    ctx: Ctx,
    work: Work,
    from: ClientAddress,
    password: string,
  ): Promise<Settled> => {
    checkLimits(work, from);
    const { u } = work;
    const ofAccount = inFlight.get(u);
    // With nothing to join, whoever is turned away costs no HMAC.
    const kept = ofAccount === undefined ? hold(work, from, false) : undefined;
    const key = createHmac('sha256', shareKey).update(`${u}\n${password}`).digest('base64');
    const running = ofAccount?.get(key);
    if (running !== undefined && isJoinable(running, ctx)) {
      watch(ctx, running);
      try {
        const { verdict } = await running.settled;
        return { verdict, release: nothing };
      } catch (error) {
        // Whoever began it is over a limit, which says nothing of those who joined.
        if (codeOf(error) !== 'too_many_attempts') throw error;
        return join(ctx, work, from, password);
      }
    }
    const isGuess = ofAccount !== undefined && running === undefined;
    for (const other of ofAccount?.values() ?? []) other.misses++;
    const letGo = kept ?? hold(work, from, isGuess);
    const { signal, abort } = createSignal();
    const settled = forward({ ctx, work, from, signal, letGo, isGuess });
    const joinUntil = ctx.arrivedAt + joinMs;
    const shared: Shared = { settled, waiters: 0, abort, joinUntil, misses: 0 };
    keep(u, key, shared);
    // What is being dropped must not be joined.
    signal.onAbort(() => forget(u, key, shared));
    watch(ctx, shared);
    try {
      return await settled;
    } finally {
      forget(u, key, shared);
    }
  };

  return { run, join, size: () => inFlight.size };
};
