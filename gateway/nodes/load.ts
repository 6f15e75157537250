/**
 * How busy a node is, as seen from one edge: what this edge has in flight there, and what the node
 * said in its last answer of the others', which is old at once when many edges send: it fades into
 * what they usually have there. Reports on a period are useless for routing (a 1 s old snapshot made
 * p99 sixty times worse), answers are not.
 * Also remembers for how long the node is full (from its refusals), and since when it is silent.
 * All times are milliseconds on the clock of the caller.
 */
import {
  budgetShares,
  burstBudgetMs,
  burstMemoryMs,
  sustainedBudgetMs,
} from '../../shared/budgets.js';
import { type Load as Report, type WorkClass, workClasses } from '../../shared/protocol.js';

export type Load = ReturnType<typeof createLoad>;

/** Over so long the others' usual work is averaged, and it counts for so long after the last answer. */
const freshMs = 250;
/** An instant is forgotten within so many services: most of what was in flight then has ended. */
const forgetServices = 2;
const defaultServiceMs = 20;
/** The slowest service seen fades with this time constant. */
const slowestFadesMs = 10_000;
const minFullMs = 30;
const maxFullMs = 500;
const minAttemptMs = 600;
/** A node hears for so long that somebody was turned away; longer, and a burst would seem to go on. */
const crowdedMs = 100;
/** After a refusal, this edge's share of the node grows by one per slot in so long. */
const shareGrowsMs = 4000;

const clamp = (value: number, min: number, max: number): number =>
  Math.min(Math.max(value, min), max);

const never = Number.NEGATIVE_INFINITY;
const forEachClass = (value: number): Record<WorkClass, number> => ({
  device: value,
  login: value,
  register: value,
  password: value,
  suspect: value,
});

export const createLoad = (slotsAtStart: number) => {
  let slots = slotsAtStart;
  let inflight = 0;
  /** Those of them that are for known devices. */
  let devices = 0;
  /** Places for hashes that are not sent yet. */
  let held = 0;
  let reported = 0;
  /** Of it, what was not ours, at that moment and on average. */
  let others = 0;
  let usual = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  let sentSince = 0;
  let serviceMs = defaultServiceMs;
  let slowestMs = defaultServiceMs;
  let reportedWaitMs = 0;
  const fullUntil = forEachClass(never);
  let sustainedUntil = never;
  let turnedAwayAt = never;
  /** By class: hashes that this edge had there when it was refused one more, and when that was. */
  const share = forEachClass(Number.POSITIVE_INFINITY);
  const sharedAt = forEachClass(never);
  /** Until when it is full by what has happened so far; forgotten when something happens that can make room. */
  const surelyFullUntil = forEachClass(never);
  /** Since when something is expected and nothing came; undefined = nothing outstanding. */
  let silentSince: number | undefined;

  const forgetFull = () => {
    for (const name of workClasses) surelyFullUntil[name] = never;
  };

  const take = (report: Report, now: number) => {
    forgetFull();
    const faded = slowestMs * Math.exp((reportedAt - now) / slowestFadesMs);
    reported = report.inflight;
    others = Math.max(0, reported - inflight);
    usual = others + (usual - others) * Math.exp((reportedAt - now) / freshMs);
    reportedAt = now;
    sentSince = 0;
    if (report.serviceMs > 0) serviceMs = report.serviceMs;
    // What is longer than it lets anybody wait is no news for long: jobs that come too late are dropped there.
    reportedWaitMs = Math.min(report.queueMs, burstBudgetMs(serviceMs) + maxFullMs);
    // A slot is free there: the shares of all edges together are less than it takes.
    if (report.queueMs === 0) for (const name of workClasses) share[name]++;
    slowestMs = Math.max(serviceMs, faded);
  };

  /** Estimated work in flight there, from everyone; never below this edge's own, places included. */
  const view = (now: number): number => {
    const age = now - reportedAt;
    const left = usual + (others - usual) * Math.exp(-age / (forgetServices * serviceMs));
    return inflight + held + (age <= freshMs ? left : left * Math.exp((freshMs - age) / freshMs));
  };

  /** What of this edge's own would be before a new request, and what of it came after the node's report. */
  const ownMs = (): number => ((inflight + held - slots) * serviceMs) / slots;
  const addedMs = (): number => ((sentSince + held) * serviceMs) / slots;

  /** Until when it has this edge's share, which grows with time. */
  const shareUntil = (cls: WorkClass): number =>
    sharedAt[cls] + ((inflight + held - share[cls] + 1) * shareGrowsMs) / slots;

  /** Until when the wait is longer than the budget, which may become the burst's before. */
  const waitUntil = (now: number, cls: WorkClass): number => {
    const isBurst = now >= sustainedUntil;
    const budget = isBurst ? burstBudgetMs(serviceMs) : sustainedBudgetMs(serviceMs);
    const limit = budget * budgetShares[cls];
    const until =
      ownMs() > limit
        ? Number.POSITIVE_INFINITY
        : reportedAt + reportedWaitMs - Math.max(0, limit - addedMs());
    return isBurst ? until : Math.min(until, sustainedUntil);
  };

  /** Under overload every node is asked at every refusal, and little has happened at each since the last. */
  const isFull = (now: number, cls: WorkClass): boolean => {
    if (now < surelyFullUntil[cls]) return true;
    if (inflight >= 64 * (slots + 1)) return true;
    const until = Math.max(fullUntil[cls], shareUntil(cls), waitUntil(now, cls));
    surelyFullUntil[cls] = until;
    return now < until;
  };

  return {
    view,
    slots: () => slots,
    inflight: () => inflight,
    serviceMs: () => serviceMs,
    setSlots: (count: number) => {
      slots = count;
      forgetFull();
    },
    /** Keeps a place for a hash that comes soon, so that nobody else counts on it. Returns how to give it back. */
    hold: (): (() => void) => {
      held++;
      return () => {
        held--;
        forgetFull();
      };
    },
    sent: (now: number, cls: WorkClass) => {
      if (inflight === 0 && silentSince === undefined) silentSince = now;
      inflight++;
      if (cls === 'device') devices++;
      sentSince++;
    },
    /** A request is over, whatever became of it. */
    ended: (cls: WorkClass) => {
      inflight--;
      forgetFull();
      if (cls === 'device') devices--;
    },
    /** The node answered something, so it lives. */
    heard: (now: number, report?: Report) => {
      silentSince = inflight > 0 ? now : undefined;
      if (report !== undefined) take(report, now);
    },
    /** We gave up before it could answer: that says nothing about it, unless others still wait. */
    abandoned: () => {
      if (inflight === 0 && silentSince !== Number.NEGATIVE_INFINITY) silentSince = undefined;
    },
    /** It cannot be reached at all. */
    lost: () => {
      silentSince = Number.NEGATIVE_INFINITY;
    },
    /**
     * The node refused work of this class, with the wait it predicts; to be told after the load in the
     * same answer (`heard`). It refuses above a budget, so
     * after the excess over nine tenths of that it has room again, and until then for nobody with a
     * smaller share either. A wait above the burst budget does not say which of the two was in
     * force; the shorter absence is assumed. One below it does, and the node keeps to that for a while.
     *
     * Other edges fill a node that stays full as fast as it empties, which this one cannot see. So what
     * it has there at such a refusal is its share, until a slow growth or the sight of a free slot finds more
     * (additive increase, as TCP has it: Chiu and Jain, 1989): one of its own that ends is then the sign that
     * there is room. Whoever may wait longer than the one that was refused is not held to it, and known devices
     * only where they are the crowd: else the others make room for them.
     */
    refused: (now: number, predictedMs: number, cls: WorkClass) => {
      forgetFull();
      const part = budgetShares[cls];
      const burst = burstBudgetMs(serviceMs) * part;
      const isBurst = predictedMs >= burst;
      const budget = isBurst ? burst : sustainedBudgetMs(serviceMs) * part;
      // Of a stall, a lost thread or a request that came too late it says nothing for long.
      const isStanding = !isBurst && reportedWaitMs > 0;
      if (isStanding) sustainedUntil = now + burstMemoryMs;
      const setsShare = isStanding && part >= budgetShares.login;
      const until = now + clamp(predictedMs - 0.9 * budget, minFullMs, maxFullMs);
      for (const name of workClasses) {
        if (budgetShares[name] > part) continue;
        fullUntil[name] = Math.max(fullUntil[name], until);
        if (!setsShare || (name === 'device' && 2 * devices <= inflight)) continue;
        share[name] = Math.max(1, inflight);
        sharedAt[name] = now;
      }
    },
    /** It would refuse this class now: it said so, or the wait exceeds the budget it keeps to. */
    isFull,
    /**
     * Somebody was refused here without being sent there. While it is full for those who may wait
     * longest, its queue is short only because of that: if it kept to the short budget, it still does.
     */
    turnedAway: (now: number, cls: WorkClass): void => {
      if (budgetShares[cls] < budgetShares.login || !isFull(now, cls)) return;
      turnedAwayAt = now;
      if (now < sustainedUntil) sustainedUntil = now + burstMemoryMs;
    },
    /** Somebody was, not long ago: the node is to know. */
    isCrowded: (now: number): boolean => now - turnedAwayAt <= crowdedMs,
    /** How long ago the node should have said something; 0 when nothing is due. */
    silentMs: (now: number): number => (silentSince === undefined ? 0 : now - silentSince),
    /** How long one attempt may take before the node is given up. */
    attemptMs: (): number => Math.max(3 * slowestMs + burstBudgetMs(serviceMs), minAttemptMs),
    report: () => ({ inflight: reported, serviceMs }),
  };
};
