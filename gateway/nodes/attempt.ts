/**
 * One attempt of a job at one node: sends it, keeps the node's load and breaker up to date, judges
 * what came back. An attempt lasts at most `load.attemptMs` without a sign of life from the node: a
 * node that answers others, or its self-test, is working on something dear (an old hash may take a
 * second and a half) and gets until the job's deadline. So do a node that leaves, which finishes what it has, and any
 * node when the job has nowhere else to go.
 */
import { headers as names, type Verdict, type WorkClass } from '../../shared/protocol.js';
import type { Answer } from './forward.js';
import type { Meters } from './meters.js';
import { judge, type Outcome, rows } from './outcome.js';
import type { Node } from './pool.js';
import { createStoreWatch } from './store-watch.js';

export type Attempt = ReturnType<typeof createAttempt>;
export type Job = {
  route: '/login' | '/register' | '/password' | '/reset';
  u: string;
  attemptId: string;
  class: WorkClass;
  body: object;
  /** On the clock of `performance.now()`. */
  deadlineAt: number;
  requestId: string;
  signal?: { readonly aborted: boolean; onAbort(fn: () => void): void };
};

/** While a late node gives signs of life, or is the last, time is extended in steps of this. */
const extensionMs = 100;
/** What a silent node gets on top of the silence that makes it suspect, to answer the probe. */
const probeGraceMs = 200;

/** `open`: the verdict in an answer to this attempt from this boot, or AppError bad_node_answer. */
export const createAttempt = (options: {
  nodes: () => readonly Node[];
  open: (bootId: string, attemptId: string, body: unknown) => Verdict;
  meters: Meters;
  now: () => number;
}) => {
  const { open, meters, now } = options;
  const stores = createStoreWatch(options.nodes);

  /** What the answer says of the node itself. */
  const noteLife = (node: Node, answer: Answer) => {
    if (answer.kind === 'answered') node.load.heard(now(), answer.load);
    else if (answer.kind === 'malformed') node.load.heard(now());
    else if (answer.kind === 'aborted') node.load.abandoned();
    else if (answer.kind === 'unreached' || answer.kind === 'died') node.load.lost();
  };

  const isAlive = (node: Node, at: number): boolean =>
    node.isLeaving() ||
    !node.breaker.isSuspect(node.load.silentMs(at) - probeGraceMs, node.load.serviceMs());

  /** What came back, in the light of what others answer. */
  const inContext = (node: Node, outcome: Outcome, sentAt: number): Outcome => {
    if (outcome.kind === 'verdict') stores.served(node, sentAt);
    else if (outcome.label === 'store_lost' && stores.isAlone(node, now()))
      return { ...outcome, label: 'cut_off' };
    return outcome;
  };

  const learn = (node: Node, job: Job, outcome: Outcome) => {
    if (outcome.kind === 'verdict') return node.breaker.succeeded(now());
    if (outcome.refusedMs !== undefined) node.load.refused(now(), outcome.refusedMs, job.class);
    if (rows[outcome.label].learned === 'failure') node.breaker.failed(now());
  };

  const settle = (node: Node, job: Job, answer: Answer, sentAt: number): Outcome => {
    node.load.ended(job.class);
    noteLife(node, answer);
    const judged = judge(answer, (body) => open(node.bootId, job.attemptId, body));
    const outcome = inContext(node, judged, sentAt);
    learn(node, job, outcome);
    meters.forwarded(node.id, outcome.kind === 'verdict' ? 'verdict' : outcome.label);
    return outcome;
  };

  /**
   * `body` is the job's body as JSON, made once for all attempts; `isLast` is asked when the node is late: nobody
   * else would be tried. Never rejects.
   */
  return (
    node: Node,
    job: Job,
    { body, isLast }: { body: string; isLast: () => boolean },
  ): Promise<Outcome> =>
    new Promise((resolve) => {
      const sentAt = now();
      const remainingMs = Math.max(0, job.deadlineAt - sentAt);
      node.load.sent(sentAt, job.class);
      const abort = node.forward.send(
        {
          method: 'POST',
          path: job.route,
          headers: {
            host: 'node',
            'content-type': 'application/json',
            [names.caller]: node.proof,
            [names.attempt]: job.attemptId,
            [names.remainingMs]: String(Math.floor(remainingMs)),
            [names.class]: job.class,
            [names.requestId]: job.requestId,
            ...(node.load.isCrowded(sentAt) ? { [names.crowded]: '1' } : {}),
          },
          body,
          timeoutMs: Math.min(node.load.attemptMs(), remainingMs),
          extendMs: () =>
            isAlive(node, now()) || isLast() ? Math.min(extensionMs, job.deadlineAt - now()) : 0,
        },
        (answer) => resolve(settle(node, job, answer, sentAt)),
      );
      job.signal?.onAbort(abort);
    });
};
