/**
 * A closed loop of clients, a process of its own: k connections, each sends its next request when the
 * answer is there. On shared cores whatever it costs is taken from the system under test, so it does next
 * to nothing per request. Arrivals at a fixed rate are open/generator.ts.
 */
import { nowMs } from './pacer.js';
import { serve } from './peer.js';
import { shareInside } from './stats.js';
import { openWire, type Target, type Wire } from './wire.js';

export type Slice = {
  /** Requests per second inside the window; those across its edges count by their share. */
  rate: number;
  /** All requests of the slice, also before the window, and those not answered with 200. */
  sent: number;
  failed: number;
  /** Milliseconds, of requests that started inside the window. */
  latencies: Float64Array;
  statuses: Record<string, number>;
  bodies: string[];
};
type Line = {
  wire: Wire | undefined;
  sentAt: number;
  onAnswer: (status: number, text: string) => void;
};

const refusedPauseMs = 25;

let target: Target = { host: '127.0.0.1', port: 0 };
let requests: Uint8Array[] = [];
let next = 0;
const lines: Line[] = [];

const nextRequest = (): Uint8Array => {
  const request = requests[next] ?? new Uint8Array();
  next = (next + 1) % requests.length;
  return request;
};

/** Gives a line its connection, which the server may end with an answer or lose. */
const openLine = async (
  line: Line = { wire: undefined, sentAt: 0, onAnswer: () => {} },
): Promise<Line> => {
  let wire: Wire | undefined;
  const end = () => {
    if (line.wire === wire) line.wire = undefined;
  };
  wire = await openWire(
    target,
    ({ status, text, closes }) => {
      if (closes) end();
      line.onAnswer(status, text);
    },
    (isWaiting) => {
      end();
      if (isWaiting) line.onAnswer(0, '');
    },
  );
  line.wire = wire;
  return line;
};

/** `count` living connections; those that the server closed meanwhile are replaced. */
const openLines = async (count: number): Promise<Line[]> => {
  for (let i = 0; i < count; i++) if (lines[i]?.wire === undefined) lines[i] = await openLine();
  return lines.slice(0, count);
};

const createRecord = (from: number, to: number, keepBodies: boolean) => {
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  const bodies: string[] = [];
  let counted = 0;
  let sent = 0;
  let failed = 0;
  return {
    add: (start: number, end: number, status: number, text: string) => {
      sent++;
      if (status !== 200) {
        failed++;
        statuses[status] = (statuses[status] ?? 0) + 1;
        return;
      }
      counted += shareInside(start, end, from, to);
      if (start >= from && start <= to) latencies.push(end - start);
      if (keepBodies) bodies.push(text.slice(text.indexOf('\r\n\r\n') + 4));
    },
    slice: (): Slice => ({
      rate: (counted * 1000) / (to - from),
      sent,
      failed,
      latencies: Float64Array.from(latencies),
      statuses,
      bodies,
    }),
  };
};

/** Ends when `windowMs` is over and every answer is there, or after `limit` requests. */
const closed = async (options: {
  connections: number;
  settleMs: number;
  windowMs: number;
  limit?: number;
  keepBodies?: boolean;
}): Promise<Slice> => {
  const { connections, settleMs, windowMs, limit = Number.POSITIVE_INFINITY } = options;
  const used = await openLines(connections);
  const from = nowMs() + settleMs;
  const to = from + windowMs;
  const record = createRecord(from, to, options.keepBodies ?? false);
  let started = 0;
  await new Promise<void>((resolve) => {
    let busy = used.length;
    const leave = () => {
      if (--busy === 0) resolve();
    };
    const step = (line: Line, now: number) => {
      if (now >= to || started >= limit) return leave();
      if (line.wire === undefined)
        return void openLine(line).then(() => step(line, nowMs()), leave);
      started++;
      line.sentAt = now;
      line.wire.send(nextRequest());
    };
    for (const line of used) {
      line.onAnswer = (status, text) => {
        const now = nowMs();
        record.add(line.sentAt, now, status, text);
        if (status === 200) step(line, now);
        // Asking again at once would turn a busy moment into a flood of refusals.
        else setTimeout(() => step(line, nowMs()), refusedPauseMs);
      };
      step(line, nowMs());
    }
  });
  return record.slice();
};

const calls = {
  aim: (aimed: { target: Target; requests: string[] }) => {
    for (const line of lines) line.wire?.close();
    lines.length = 0;
    target = aimed.target;
    requests = aimed.requests.map((text) => Buffer.from(text));
    next = 0;
  },
  closed,
};
export type ClosedLoopCalls = typeof calls;

serve(calls);
