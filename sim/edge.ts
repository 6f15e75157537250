/**
 * An edge in virtual time: the real choice, dispatch, attempt, breaker, load and probes over a
 * network that only delays. Modelled here is what touches sockets in the product: one forward per node
 * with the timeouts of `forward`, membership read on a period, and the steps around a login.
 */
import { createAttempt } from '../gateway/nodes/attempt.js';
import { type Breaker, createBreaker } from '../gateway/nodes/breaker.js';
import type { Choose } from '../gateway/nodes/choose.js';
import { createDispatch } from '../gateway/nodes/dispatch.js';
import { createLoad } from '../gateway/nodes/load.js';
import type { Node } from '../gateway/nodes/pool.js';
import { createProbes, probeEveryMs } from '../gateway/nodes/probe.js';
import type { Rank } from '../gateway/nodes/rank.js';
import { createRetryBudget } from '../gateway/nodes/retry.js';
import { codeOf, isAppError, rowOf } from '../shared/errors.js';
import { openVerdict, type Verdict, type WorkClass } from '../shared/protocol.js';
import { newEdgeCounts } from './counts.js';
import type { Driver } from './driver.js';
import { type Answer, type Request, type SimNode, secret } from './node.js';
import type { Random } from './random.js';
import type { Outcome } from './world.js';

export type Edge = ReturnType<typeof createEdge>;
/** A node as the registry lists it. */
export type Member = { node: SimNode; zone: string; draining: boolean };

/** `toldMs`: what Retry-After says, 0 when it is not there. */
type OnEnd = (outcome: Outcome, toldMs: number) => void;

const fixed = {
  route: '/login',
  attemptId: 'simulated',
  body: {},
  requestId: '',
} as const;
const noMeters = {
  forwarded: () => {},
  retried: () => {},
  denied: () => {},
  shed: () => {},
  left: () => {},
};
const reserveMs = 0.6;
const deadlineMs = 2500;

/** One way over the network: a fixed part and jitter. */
const delayMs = (random: Random): number => 0.15 + random.exponential(0.1);

type Outgoing = Parameters<Node['forward']['send']>[0];
type Done = Parameters<Node['forward']['send']>[1];

const createForward = (options: { node: SimNode; driver: Driver; random: Random }) => {
  const { node, driver, random } = options;

  /** `deliver` is told when the bytes are at the node. */
  const exchange =
    (deliver: (request: Request, settle: (answer: Answer) => void) => void) =>
    (outgoing: Outgoing, done: Done) => {
      let isDone = false;
      let cancel = () => {};
      node.expect(1);
      const settle: Done = (answer) => {
        if (isDone) return;
        isDone = true;
        cancel();
        node.expect(-1);
        done(answer);
      };
      const onTime = () => {
        const moreMs = outgoing.extendMs?.() ?? 0;
        if (moreMs > 0) cancel = driver.after(moreMs, onTime);
        else settle({ kind: 'timeout' });
      };
      cancel = driver.after(outgoing.timeoutMs, onTime);
      const request = { headers: outgoing.headers, isGone: () => isDone };
      driver.after(delayMs(random), () =>
        deliver(request, (answer) => void driver.after(delayMs(random), () => settle(answer))),
      );
      return () => settle({ kind: 'aborted' });
    };

  return {
    send: exchange(node.receive),
    sendAside: exchange((_, settle) => node.selftest(settle)),
    renew: () => {},
    close: () => {},
  };
};

/** As the head of the answer says it: in whole seconds (shared/http-answer.ts). */
const toldOf = (error: unknown): number => {
  const waitMs = (isAppError(error) && error.retryAfterMs) || rowOf(codeOf(error)).retryAfterMs;
  return waitMs === undefined ? 0 : 1000 * Math.max(1, Math.ceil(waitMs / 1000));
};

/** What the pool keeps for a node, with a simulated forward. */
const createRecord = (options: {
  member: Member;
  breaker: Breaker;
  driver: Driver;
  random: Random;
  rank: Rank;
}) => {
  const { member, breaker, driver, random, rank } = options;
  const { node, zone } = member;
  const { id, bootId, slots } = node;
  const load = createLoad(slots);
  const forward = createForward({ node, driver, random });
  let draining = member.draining;
  const entry = () => ({
    id,
    boot_id: bootId,
    endpoints: [],
    slots,
    version: '',
    zone,
    draining,
  });
  return {
    ...{ id, bootId, zone, load, forward, breaker, entry },
    seed: rank.seed(id),
    proof: '',
    isDraining: () => draining,
    isLeaving: () => draining,
    setDraining: (isSo: boolean) => {
      draining = isSo;
    },
    update: () => {},
    leave: () => {},
    via: 'unix' as const,
    close: () => {},
  };
};

export const createEdge = (options: {
  driver: Driver;
  random: Random;
  rank: Rank;
  zone: string;
  choose: Choose<Node>;
  onSlowStart: () => void;
}) => {
  const { driver, random, rank, zone, choose, onSlowStart } = options;
  const now = driver.now;
  const counts = newEdgeCounts();
  const records = new Map<SimNode, ReturnType<typeof createRecord>>();
  /** A boot that comes back is no new one. (The product forgets after a minute.) */
  const breakers = new Map<SimNode, Breaker>();
  let nodes: Node[] = [];
  let isFirst = true;

  /** The pool's rule: a new boot starts slowly, unless the edge itself has just started. */
  const breakerOf = (node: SimNode): Breaker => {
    const start = isFirst ? 'full' : 'slow';
    const known = breakers.get(node);
    const about = { start, now: now(), onSlowStart, random: random.uniform } as const;
    const breaker = known ?? createBreaker(about);
    breakers.set(node, breaker);
    return breaker;
  };
  const setMembers = (next: readonly Member[]) => {
    const listed = new Set(next.map(({ node }) => node));
    for (const node of records.keys()) if (!listed.has(node)) records.delete(node);
    for (const member of next) {
      const known = records.get(member.node);
      const breaker = breakerOf(member.node);
      if (known === undefined)
        records.set(member.node, createRecord({ member, breaker, driver, random, rank }));
      else known.setDraining(member.draining);
    }
    // Another list would make the choice look at all of it anew.
    if (nodes.length !== records.size || next.some(({ node }, i) => nodes[i] !== records.get(node)))
      nodes = [...records.values()];
    isFirst &&= nodes.length === 0;
  };

  const openCount = (): number => {
    let count = 0;
    for (const { breaker } of nodes) if (breaker.isOpen()) count++;
    return count;
  };
  const isPanic = () => openCount() * 2 > nodes.length;

  /** Every verdict of a boot is the same here: its signature is checked once, not at every login. */
  const opened = new Map<string, { body: unknown; verdict: Verdict }>();
  const open = (bootId: string, attemptId: string, body: unknown): Verdict => {
    const known = opened.get(bootId);
    if (known !== undefined && known.body === body) return known.verdict;
    const verdict = openVerdict([secret], bootId, attemptId, body);
    opened.set(bootId, { body, verdict });
    return verdict;
  };
  const attempt = createAttempt({ nodes: () => nodes, open, now, meters: noMeters });
  const dispatch = createDispatch({
    nodes: () => nodes,
    choose,
    attempt: (node, job, more) => {
      counts.sent++;
      if (rank.first(job.u, nodes) === node) counts.atHome++;
      if (node.zone === zone) counts.near++;
      if (node.breaker.isOpen() && !isPanic()) counts.toOpen++;
      return attempt(node, job, more);
    },
    budget: createRetryBudget(),
    meters: {
      ...noMeters,
      retried: () => void counts.retried++,
      shed: () => void counts.shed++,
    },
    refresh: async () => {},
    now,
    random: random.uniform,
  });
  const probes = createProbes({ nodes: () => nodes, now });
  probes.close();
  driver.every(probeEveryMs, probes.tick, random.uniform() * probeEveryMs);

  /** As gateway/attempts.ts does it: is there room, then a round trip to Redis. */
  const login = ({ u, cls }: { u: string; cls: WorkClass }, done: OnEnd) => {
    const fail = (error: unknown) => done(codeOf(error), toldOf(error));
    const deadlineAt = now() + deadlineMs;
    let letGo: () => void;
    try {
      // Redis says who is suspect, and is not asked yet.
      letGo = dispatch.hold(u, cls === 'suspect' ? 'login' : cls);
    } catch (error) {
      fail(error);
      return;
    }
    driver.after(reserveMs, () => {
      letGo();
      const job = { ...fixed, u, class: cls, deadlineAt };
      dispatch.submit(job).then(() => done('ok', 0), fail);
    });
  };

  return {
    login,
    setMembers,
    counts,
    openCount,
    isPanic,
  };
};
