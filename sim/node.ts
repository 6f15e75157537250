/**
 * A worker node in virtual time: the real admission and fence in front of hash threads that only let
 * time pass. Everything that the node does waits while it is stopped (SIGSTOP) and is gone when it
 * is killed; slowness stretches its hashes; a failing node answers 500 at once.
 */
import { codeOf, isAppError } from '../shared/errors.js';
import { headers, isWorkClass, type Load, signVerdict } from '../shared/protocol.js';
import { createFence } from '../worker/fence.js';
import { createAdmission } from '../worker/passwords/admission.js';
import { newNodeCounts } from './counts.js';
import type { Driver } from './driver.js';
import type { Random } from './random.js';
import { beatEveryMs } from './registry.js';

export type SimNode = ReturnType<typeof createNode>;
/** As `forward` reports it to an edge. */
export type Answer =
  | { kind: 'answered'; status: number; body: unknown; load: Load | undefined }
  | { kind: 'unreached' | 'died' };
export type Request = { headers: Record<string, string>; isGone: () => boolean };
type Mode = 'up' | 'hung' | 'failing' | 'dead';

export const secret = 'simulated cluster secret';
const mib = 1024 * 1024;
const cost = { key: 'default', relative: 1, bytes: 19 * mib };
const work = ['ping'] as const;
const lookupMs = 0.4;
const fenceEveryMs = 100;
const attemptId = 'simulated';

/** One verdict for all: every attempt has the same id here, so signing it once is enough. */
const createVerdict = (bootId: string) =>
  signVerdict(secret, bootId, {
    attempt_id: attemptId,
    outcome: 'ok',
    user_id: 'u_1',
    gen: 0,
    scopes: '',
  });

export const createNode = (options: {
  id: string;
  bootId: string;
  slots: number;
  serviceMs: number;
  driver: Driver;
  random: Random;
  /** One more message is on its way here or waits for its answer, or one fewer. */
  expect: (change: 1 | -1) => void;
  /** Enters it in the registry; every second, the first time after this part of one. */
  beat: () => void;
  beatPhase: number;
}) => {
  const { id, bootId, slots, driver, random, beat } = options;
  const verdict = createVerdict(bootId);
  let mode: Mode = 'up';
  let isWellWhenFailing = false;
  let slowness = 1;
  let stoppedAt = 0;
  let held: { leftMs: number; run: () => void }[] = [];
  const open = new Set<(answer: Answer) => void>();
  const freeAt = new Array<number>(slots).fill(0);
  const counts = newNodeCounts();
  /** Let in and not done, and the most of them since it was last asked. */
  let inflight = 0;
  let peak = 0;

  /** After `ms` of this node's own time, which stands still while it is stopped. */
  const later = (ms: number, run: () => void) => {
    const dueAt = driver.now() + ms;
    driver.after(ms, () => {
      if (mode === 'dead') return;
      if (mode === 'hung') held.push({ leftMs: Math.max(0, dueAt - stoppedAt), run });
      else run();
    });
  };

  /** At once, unless it is stopped. */
  const soon = (run: () => void) => {
    if (mode === 'hung') held.push({ leftMs: 0, run });
    else run();
  };

  /** Eight tenths of a hash are fixed, the rest is what the machine does meanwhile. */
  const hashMs = (): number =>
    slowness * (0.8 * options.serviceMs + random.exponential(0.2 * options.serviceMs));

  const admission = createAdmission({
    slots,
    memoryBytes: 1024 * slots * mib,
    defaultCost: cost,
    initialMs: options.serviceMs,
    now: driver.now,
    // A thread works off what it was handed, in order.
    send: (slot, _work, done) => {
      const at = driver.now();
      const takesMs = hashMs();
      const endsAt = Math.max(at, freeAt[slot] ?? 0) + takesMs;
      freeAt[slot] = endsAt;
      counts.started++;
      counts.busyMs += takesMs;
      later(endsAt - at, () => done(undefined, true));
    },
  });
  const fence = createFence({ now: driver.now });
  fence.stop();
  const stopTicks = driver.every(fenceEveryMs, () => {
    if (mode !== 'hung') fence.tick();
  });
  const stopBeats = driver.every(
    beatEveryMs,
    () => {
      if (mode !== 'hung') beat();
    },
    options.beatPhase * beatEveryMs,
  );

  const refusal = (error: unknown): Answer => {
    const isRefused = codeOf(error) === 'overloaded';
    const waitMs = isAppError(error) ? (error.retryAfterMs ?? 0) : 0;
    if (isRefused) counts.refused++;
    const body = isRefused
      ? { error: 'overloaded', started: false, wait_ms: Math.round(waitMs) }
      : { error: codeOf(error) };
    return { kind: 'answered', status: isRefused ? 503 : 500, body, load: admission.load() };
  };

  /** As worker/routes/login.ts does it. */
  const login = async (request: Request, reply: (answer: Answer) => void) => {
    try {
      fence.check();
      const deadlineAt = driver.now() + Number(request.headers[headers.remainingMs]);
      const { isGone } = request;
      const isCrowded = request.headers[headers.crowded] !== undefined;
      const named = request.headers[headers.class];
      const cls = isWorkClass(named) ? named : 'login';
      const ticket = admission.enter({ class: cls, deadlineAt, isGone, isCrowded });
      inflight++;
      peak = Math.max(peak, inflight);
      try {
        await new Promise<void>((resolve) => later(lookupMs, resolve));
        await admission.run(ticket, work, cost);
      } finally {
        inflight--;
        admission.leave(ticket);
      }
      if (request.isGone()) counts.unasked++;
      reply({ kind: 'answered', status: 200, body: verdict, load: admission.load() });
    } catch (error) {
      reply(refusal(error));
    }
  };

  const fail = (reply: (answer: Answer) => void) =>
    later(1, () =>
      reply({ kind: 'answered', status: 500, body: { error: 'internal' }, load: undefined }),
    );

  const serve = (handle: (reply: (answer: Answer) => void) => void) => {
    return (settle: (answer: Answer) => void) => {
      if (mode === 'dead') {
        settle({ kind: 'unreached' });
        return;
      }
      const reply = (answer: Answer) => {
        if (open.delete(reply)) settle(answer);
      };
      open.add(reply);
      soon(() => handle(reply));
    };
  };

  return {
    id,
    bootId,
    slots,
    counts,
    beat,
    inflight: () => inflight,
    takePeak: (): number => {
      const most = peak;
      peak = inflight;
      return most;
    },
    expect: options.expect,
    /** The bytes of a login have arrived. */
    receive: (request: Request, settle: (answer: Answer) => void) =>
      serve((reply) => (mode === 'failing' ? fail(reply) : void login(request, reply)))(settle),
    selftest: serve((reply) =>
      mode === 'failing' && !isWellWhenFailing
        ? fail(reply)
        : reply({ kind: 'answered', status: 200, body: { ok: true }, load: admission.load() }),
    ),
    setSlowness: (factor: number) => {
      slowness = factor;
    },
    /** `butWell`: what answers 500 passes its self-test all the same. */
    setFailing: (isFailing: boolean, butWell = false) => {
      mode = isFailing ? 'failing' : 'up';
      isWellWhenFailing = butWell;
    },
    stop: () => {
      mode = 'hung';
      stoppedAt = driver.now();
    },
    resume: () => {
      mode = 'up';
      for (const [slot, at] of freeAt.entries()) freeAt[slot] = at + driver.now() - stoppedAt;
      // Timers come before sockets in an event loop, and a late interval fires once.
      fence.tick();
      beat();
      const waiting = held;
      held = [];
      for (const { leftMs, run } of waiting) later(leftMs, run);
    },
    kill: () => {
      mode = 'dead';
      stopTicks();
      stopBeats();
      for (const reply of [...open]) reply({ kind: 'died' });
    },
  };
};
