/**
 * The clients of the open-loop benches, a process of its own. Poisson arrivals at rates fixed in
 * advance, whether or not answers come; latency counts from the intended time, so a stall is seen by
 * every request that it delays (no coordinated omission). Clients may come back, when and whether as
 * the client library does; the connections are our own, for speed. Every try is one sample.
 */
import { createBackoff, type Failure, mayRepeat, readRetryAfter } from '../../client/retry.js';
import { nowMs, startPacer } from '../pacer.js';
import { serve } from '../peer.js';
import { poissonTimes } from '../stats.js';
import type { Target } from '../wire.js';
import { createLines, type End, type Lines } from './lines.js';

/** Clients of one kind: each request in turn belongs to the next of them. */
type Group = { name: string; requests: string[] };
export type Phase = { perSecond: number; durationMs: number };
export type Plan = {
  phases: Phase[];
  /** Shares of the groups in the arrivals; the first group alone when left out. */
  mix?: Record<string, number>;
  /** A new connection for each request; else kept-alive ones. */
  closing?: boolean;
  /** How often a client comes back at most. */
  retries?: number;
  /** This part of the people presses twice: the same once more, so long after, answered or not. */
  again?: { share: number; afterMs: number };
  giveUpMs?: number;
  /** Samples name the answers. */
  withIds?: boolean;
};
export type Sample = {
  /** Intended time, in milliseconds since the start of the run. */
  at: number;
  /** From the intended time to the answer. */
  ms: number;
  /** 0 when there was no answer. */
  status: number;
  /** The error code of the answer, or how the connection was lost; empty for 200. */
  code: string;
  group: string;
  /** Earlier tries of the same client. */
  tries: number;
  /** All tries of one arrival have the same number. */
  person: number;
  /** The request id of the answer, where that was asked for. */
  id?: string;
};
/** `startedAt`: milliseconds of CLOCK_MONOTONIC, which all processes share. */
export type Run = { startedAt: number; samples: Sample[] };
type Client = { group: string; bytes: Uint8Array; person: number };
type Crowd = { name: string; kept: Uint8Array[]; closing: Uint8Array[]; next: number };

const leadMs = 50;
const sweepMs = 100;
const defaultGiveUpMs = 10_000;

let lines: Lines = createLines({ host: '127.0.0.1', port: 0 });
let crowds: Crowd[] = [];
let isStopped = false;
let sent = 0;

const codeOf = ({ status, text }: End): string => {
  if (status === 0) return text;
  if (status === 200) return '';
  return /"error":"(\w+)"/.exec(text)?.[1] ?? `status_${status}`;
};

const idOf = ({ text }: End): string => /x-request-id: (\S+)/i.exec(text)?.[1] ?? '';

const createPick = (plan: Plan) => {
  const mix = Object.entries(plan.mix ?? { [crowds[0]?.name ?? '']: 1 });
  const total = mix.reduce((sum, [, share]) => sum + share, 0);
  let person = 0;
  return (): Client => {
    let left = Math.random() * total;
    const [name] = mix.find(([, share]) => {
      left -= share;
      return left < 0;
    }) ??
      mix[0] ?? [''];
    const crowd = crowds.find((found) => found.name === name);
    if (crowd === undefined) throw new Error(`no group "${name}"`);
    const requests = plan.closing ? crowd.closing : crowd.kept;
    crowd.next = (crowd.next + 1) % requests.length;
    return { group: name, bytes: requests[crowd.next] ?? new Uint8Array(), person: person++ };
  };
};

const backoff = createBackoff();

/** After which pause the client comes back, in milliseconds. */
const pauseOf = ({ text }: End, tries: number): number =>
  backoff(tries, readRetryAfter(/retry-after: (.*)\r/i.exec(text)?.[1], { now: Date.now() }));

const failureOf = (end: End): Failure => {
  if (end.status !== 0) return { how: 'answer', status: end.status, code: codeOf(end) };
  if (end.text === 'refused') return { how: 'not_sent' };
  return { how: end.text === 'gave_up' ? 'timeout' : 'lost' };
};

const comesBack = (end: End, tries: number): boolean => mayRepeat('login', failureOf(end), tries);

/** Sends tries and keeps their samples; `idle` resolves when nobody waits for anything any more. */
const createRecord = (plan: Plan, startedAt: number) => {
  const samples: Sample[] = [];
  const { closing = false, retries = 0, giveUpMs = defaultGiveUpMs, again, withIds } = plan;
  let pending = 0;
  let onIdle = () => {};
  const leave = () => {
    if (--pending === 0) onIdle();
  };

  const attempt = (client: Client, dueAt: number, tries: number, onEnd?: (end: End) => void) => {
    pending++;
    sent++;
    const { group, bytes, person } = client;
    const request = { bytes, isKept: !closing, until: dueAt + giveUpMs };
    lines.send(request, (end) => {
      const { status } = end;
      const at = dueAt - startedAt;
      const found = { at, ms: nowMs() - dueAt, status, code: codeOf(end), group, tries, person };
      samples.push(withIds ? { ...found, id: idOf(end) } : found);
      if (tries < retries && !isStopped && comesBack(end, tries))
        later(client, nowMs() + pauseOf(end, tries), tries + 1);
      onEnd?.(end);
      leave();
    });
  };

  const later = (client: Client, dueAt: number, tries: number) => {
    pending++;
    setTimeout(() => {
      if (!isStopped) attempt(client, dueAt, tries);
      leave();
    }, dueAt - nowMs());
  };

  const arrive = (client: Client, at: number) => {
    attempt(client, at, 0);
    if (again !== undefined && Math.random() < again.share) later(client, at + again.afterMs, 0);
  };

  const idle = () =>
    new Promise<void>((resolve) => {
      onIdle = resolve;
      if (pending === 0) resolve();
    });
  return { samples, attempt, arrive, idle };
};

const timesOf = (phases: readonly Phase[], startedAt: number): number[] => {
  let from = startedAt;
  return phases.flatMap(({ perSecond, durationMs }) => {
    const start = from;
    from += durationMs;
    return poissonTimes(perSecond, durationMs).map((at) => start + at);
  });
};

const sweeping = async <T>(run: () => Promise<T>): Promise<T> => {
  isStopped = false;
  sent = 0;
  const timer = setInterval(() => lines.sweep(nowMs()), sweepMs);
  try {
    return await run();
  } finally {
    clearInterval(timer);
  }
};

/** Resolves when all phases are over and every client has its answer or has given up. */
const run = (plan: Plan): Promise<Run> =>
  sweeping(async () => {
    const pick = createPick(plan);
    const pacer = await startPacer();
    const startedAt = nowMs() + leadMs;
    const { samples, arrive, idle } = createRecord(plan, startedAt);
    const times = timesOf(plan.phases, startedAt);
    await pacer.pace(times, (at) => {
      if (!isStopped) arrive(pick(), at);
      return !isStopped;
    });
    await idle();
    return { startedAt, samples };
  });

/**
 * Closed loop: `clients` at once, each sends its next request when it has its answer, and after a pause
 * when it was refused.
 */
const saturate = (options: {
  clients: number;
  durationMs: number;
  pauseMs: number;
}): Promise<Run> =>
  sweeping(async () => {
    const startedAt = nowMs();
    const plan: Plan = { phases: [] };
    const pick = createPick(plan);
    const { samples, attempt, idle } = createRecord(plan, startedAt);
    const isOver = () => isStopped || nowMs() >= startedAt + options.durationMs;
    const work = async () => {
      while (!isOver()) {
        const end = await new Promise<End>((resolve) => attempt(pick(), nowMs(), 0, resolve));
        const isRefused = end.status !== 200;
        if (isRefused && options.pauseMs > 0)
          await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
      }
    };
    await Promise.all(Array.from({ length: options.clients }, work));
    await idle();
    return { startedAt, samples };
  });

/** `Connection: close` goes behind the request line. */
const closingOf = (text: string): string => text.replace('\r\n', '\r\nConnection: close\r\n');

const calls = {
  aim: ({ target, groups }: { target: Target; groups: Group[] }) => {
    lines.forget();
    lines = createLines(target);
    crowds = groups.map(({ name, requests }) => ({
      name,
      kept: requests.map((text) => Buffer.from(text)),
      closing: requests.map((text) => Buffer.from(closingOf(text))),
      next: Math.floor(Math.random() * requests.length),
    }));
  },
  run,
  saturate,
  /** No more arrivals; the run in progress resolves when the rest is answered. */
  stop: () => {
    isStopped = true;
  },
  sent: () => sent,
};
export type GeneratorCalls = typeof calls;

serve(calls);
