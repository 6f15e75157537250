/**
 * The gateway's first process: forks the edges and one admin child, replaces what dies, kills what
 * hangs (SIGHUP: reload.ts). No dependency, no Redis, no request is ever read.
 *
 * Edges accept by themselves, all from the one queue that the kernel keeps. With round robin each connection
 * passes through here and to an edge one at a time, for 0.2 ms of CPU more and once round the edge's loop;
 * what the edges cannot take then piles up here, without end and unseen. 650 logins per second with
 * a connection each, edges on one core: p50 of a refusal 2,021 ms so, 14 ms from the common queue.
 */
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lifecycle } from '../shared/lifecycle.js';
import { drain as drainChild, type Role, type Slot, tell } from './children.js';
import type { Config } from './config.js';
import { createGatherEdges } from './gather-edges.js';
import { drainMs, type FromChild, isMessage, keepAliveMs } from './ipc.js';
import { createReload } from './reload.js';
import { createFindHung, pingMs } from './silence.js';

type Logs = { info(fields: object, text: string): void; error(fields: object, text: string): void };

/** Far more than a start that waits for every store lasts: it fails by itself then. */
const startMs = 120_000;

export const startPrimary = ({
  config,
  program,
  lifecycle,
  log,
  giveUpMs = startMs,
}: {
  config: Pick<Config, 'edges' | 'adminPort' | 'stopDelayMs'>;
  /** What children run: our own entry, not the wrapper that a supervisor may have started. */
  program: string;
  lifecycle: Lifecycle;
  log: Logs;
  /** How long a process that takes a lost one's place may need to become ready. */
  giveUpMs?: number;
}) => {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: program });
  const slots: Slot[] = [];
  const patienceMs = drainMs(config.stopDelayMs);
  const serving = new WeakSet<Worker>();
  /** Killed; a busy machine takes a while to say that they have ended. */
  const killed = new WeakSet<Worker>();
  let isServing = false;
  let port: number | undefined;

  /** `more`: of its environment. */
  const fork = (role: Role, more: Record<string, string> = {}): Slot => {
    const worker = cluster.fork({ FLOODGATE_ROLE: role, ...more });
    const now = performance.now();
    const times = { bornAt: now, heardAt: now };
    const slot: Slot = { role, worker, ...times, connections: 0, isReady: false, failures: 0 };
    worker.on('message', (message: FromChild) => onMessage(slot, message));
    worker.on('exit', (code, signal) => onExit(slot, worker, signal ?? `code ${code}`));
    // Of a process that could not even be started: there is no exit then.
    worker.on('error', (error) => {
      if (worker.process.pid === undefined) onExit(slot, worker, error.message);
    });
    return slot;
  };

  const readyEdges = () => slots.filter((slot) => slot.role === 'edge' && slot.isReady);

  const gatherEdges = createGatherEdges(() =>
    readyEdges().map((slot) => ({ place: slots.indexOf(slot) + 1, worker: slot.worker })),
  );

  const checkServing = () => {
    if (isServing || !slots.every((slot) => slot.isReady)) return;
    isServing = true;
    log.info({ port, edges: config.edges, admin_port: config.adminPort }, 'gateway is ready');
    lifecycle.ready();
    reloads.whenServing();
  };

  const onReady = (slot: Slot) => {
    slot.isReady = true;
    serving.add(slot.worker);
    checkServing();
  };

  const onMessage = (slot: Slot, message: FromChild) => {
    slot.heardAt = performance.now();
    if (message === 'ready') return onReady(slot);
    if (!isMessage(message)) return;
    if (message.t === 'pong') slot.connections = message.connections;
    else if (message.t === 'listening' && slot.role === 'edge') port = message.port;
    else if (message.t === 'failed') log.error({ role: slot.role }, message.text);
    else if (message.t === 'gather') gatherEdges.start(slot.worker, message);
    else if (message.t === 'part') gatherEdges.addPart(slot.worker, message);
    else if (message.t === 'leaving') onLeaving(slot);
    if (message.t === 'failed' && !isServing) failStart(message.text);
  };

  const failStart = (text: string) => {
    if (lifecycle.stopping()) return;
    process.stderr.write(`floodgate: the gateway cannot start: ${text}\n`);
    lifecycle.stop('start failed', 1);
  };

  const onExit = (slot: Slot, worker: Worker, how: string) => {
    // A process that was replaced on purpose no longer fills its slot.
    if (lifecycle.stopping() || slot.worker !== worker || !slots.includes(slot)) return;
    log.error({ role: slot.role, child: worker.process.pid, how }, 'child lost');
    if (!isServing) return failStart(`a process ended while starting (${how})`);
    void revive(slot);
  };

  /** It stops by itself: another takes its place at once, and it has the usual time to end. */
  const onLeaving = (slot: Slot) => {
    slot.isReady = false;
    if (!isServing || lifecycle.stopping() || !slots.includes(slot)) return;
    onExit(slot, slot.worker, 'it leaves by itself');
    void drain(slot.worker, patienceMs + keepAliveMs);
  };

  const revive = async (slot: Slot) => {
    slot.isReady = false;
    const failures = performance.now() - slot.bornAt > 10_000 ? 0 : slot.failures;
    const pauseMs = failures === 0 ? 0 : Math.min(50 * 2 ** failures, 5000);
    await sleep(pauseMs);
    const at = slots.indexOf(slot);
    if (lifecycle.stopping() || at === -1) return;
    try {
      const next = fork(slot.role, { FLOODGATE_REPLACES: 'lost' });
      next.failures = failures + 1;
      slots[at] = next;
    } catch (err) {
      log.error({ role: slot.role, err }, 'no process can be started, trying again');
      slot.failures = failures + 1;
      slot.bornAt = performance.now();
      void revive(slot);
    }
  };

  const drain = (worker: Worker, limitMs = patienceMs) =>
    drainChild(worker, serving.has(worker), limitMs);

  const end = (text: string, { role, worker }: Slot, more: object) => {
    log.error({ role, child: worker.process.pid, ...more }, text);
    killed.add(worker);
    worker.process.kill('SIGKILL');
  };

  /** It froze before it could say anything: nobody else would notice. */
  const isStuck = ({ worker, bornAt }: Slot): boolean =>
    isServing &&
    !serving.has(worker) &&
    !killed.has(worker) &&
    !worker.isDead() &&
    performance.now() - bornAt > giveUpMs;

  const findHung = createFindHung<Slot>({ log });
  const ping = () => {
    const edges = readyEdges();
    const all = edges.reduce((sum, { connections }) => sum + connections, 0);
    const mean = all / Math.max(1, edges.length);
    const hung = findHung(slots);
    for (const [at, slot] of slots.entries()) {
      const silentMs = Math.round(performance.now() - slot.heardAt);
      const more = { slot: at + 1, silent_ms: silentMs };
      if (hung.includes(slot)) end('child is silent, it is killed', slot, more);
      else if (isStuck(slot)) end('child does not become ready, it is killed', slot, more);
      else tell(slot.worker, { t: 'ping', mean });
    }
  };

  const reloads = createReload({
    ...{ slots, fork, drain, lifecycle, log },
    leaveMs: patienceMs + keepAliveMs,
    isServing: () => isServing,
  });
  for (let i = 0; i < config.edges; i++) slots.push(fork('edge'));
  slots.push(fork('admin'));
  const pings = setInterval(ping, pingMs);
  lifecycle.onReload(reloads.reload);
  lifecycle.onStop(
    'children',
    async () => {
      clearInterval(pings);
      const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
      for (const worker of workers) tell(worker, { t: 'stopping' });
      await Promise.all(workers.map((worker) => drain(worker)));
    },
    patienceMs + 1000,
  );
};
