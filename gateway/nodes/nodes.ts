/**
 * The nodes behind this gateway, as one part: which there are, which one an account belongs to,
 * whether it may be used, and the way there and back. This file composes the folder; `dispatch` is
 * the way of one job, and `hold` answers the same question before anything is spent.
 */
import type { Identity } from '../../shared/identity.js';
import type { Metrics } from '../../shared/metrics.js';
import { openVerdict } from '../../shared/protocol.js';
import type { RedisClient } from '../../shared/redis.js';
import { createAttempt } from './attempt.js';
import { createCall } from './call.js';
import { createChoose, isSuspect } from './choose.js';
import { createConnectTo } from './connect.js';
import { createDispatch } from './dispatch.js';
import { createErrand } from './errand.js';
import { createMeters, watchIgnored, watchState } from './meters.js';
import { createPool, type Node } from './pool.js';
import { createProbes } from './probe.js';
import { createRank } from './rank.js';
import { createRegistry } from './registry.js';
import { createRetryBudget } from './retry.js';

export type { Job } from './attempt.js';
export type Nodes = ReturnType<typeof createNodes>;
type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };

const describeNode = (node: Node, now: number) => {
  const { id, boot_id, version, zone, slots, draining } = node.entry();
  const report = node.load.report();
  return {
    id,
    boot_id,
    version,
    zone,
    slots,
    draining,
    via: node.via,
    state: node.breaker.at(now).kind,
    suspect: isSuspect(node, now),
    weight: Number(node.breaker.factor(now).toFixed(2)),
    inflight: node.load.inflight(),
    full: node.load.isFull(now, 'login'),
    report: { inflight: report.inflight, service_ms: report.serviceMs },
  };
};

/** `secrets`: NODE_SECRET, the current one first. Starts reading the registry at once. */
export const createNodes = (options: {
  redis: RedisClient;
  secrets: readonly string[];
  runtimeDir: string;
  /** Of this edge: nodes of the same one are preferred. */
  zone: string;
  /** This gateway's own certificate for nodes on TCP. */
  identity?: Identity | undefined;
  /** Whoever takes a lost process's place is ready without nodes that can be used, too. */
  replacesLost?: boolean;
  log: Logs;
  metrics: Metrics;
  now?: () => number;
}) => {
  const { redis, secrets, runtimeDir, identity, replacesLost = false, log, metrics } = options;
  const { now = () => performance.now() } = options;
  const secret = secrets[0] ?? '';
  const rank = createRank(secret);
  const pool = createPool({ rank, secret, now, connectTo: createConnectTo({ identity, log }) });
  identity?.onChange(pool.renew);
  const meters = createMeters({ metrics, nodes: pool.nodes, now });
  const hasTls = identity !== undefined;
  const registry = createRegistry({ redis, secrets, runtimeDir, hasTls, log, now });
  watchIgnored(metrics, registry);
  registry.onChange((members) => pool.sync(members).forEach(meters.left));

  const probes = createProbes({ nodes: pool.nodes, now });
  const open = (bootId: string, attemptId: string, body: unknown) =>
    openVerdict(secrets, bootId, attemptId, body);
  const { hold, submit, whenBehind } = createDispatch({
    nodes: pool.nodes,
    choose: createChoose<Node>(rank, options.zone, pool.slowStarts),
    attempt: createAttempt({ nodes: pool.nodes, open, meters, now }),
    budget: createRetryBudget(),
    meters,
    refresh: registry.refresh,
    now,
  });

  return {
    /** See dispatch: throws when submitting work for this account now would be in vain. */
    hold,
    submit,
    whenBehind,
    /** An admin call to one node; resolves to the body of its 2xx answer. */
    call: createCall({ find: pool.find }),
    /** Repeatable work on records at whichever node is up; resolves to the body of its 2xx answer. */
    errand: createErrand({ nodes: pool.nodes, now }),
    /** Shows how this process sees each node; says nothing of one that sends no logins. */
    watchState: (to: Metrics): void => watchState({ metrics: to, nodes: pool.nodes, now }),
    snapshot: () => pool.nodes().map((node) => describeNode(node, now())),
    /** After the first successful read of the registry; rejects as that does, with what to do. */
    ready: (): Promise<void> =>
      registry.ready().catch((err: unknown) => {
        if (!replacesLost) throw err;
        log.warn({ err, alarm: true }, 'serving without nodes');
      }),
    close: () => {
      registry.close();
      probes.close();
      pool.close();
    },
  };
};
