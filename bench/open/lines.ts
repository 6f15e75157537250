/**
 * The connections of open-loop clients: a request never waits for one. It goes out on an idle
 * kept-alive connection (the one used last first) or on a new one; a client that keeps none gets a
 * new one each time. Whatever becomes of a request is told once: an answer, or why there is none.
 */
import { openWire, type Target, type Wire } from '../wire.js';

/** Status 0: no answer, and `text` says why. */
export type End = { status: number; text: string };
type Lost = 'refused' | 'reset' | 'gave_up';
export type Lines = ReturnType<typeof createLines>;
type Line = {
  wire: Wire | undefined;
  isKept: boolean;
  /** Milliseconds; when the client loses patience. */
  until: number;
  lost: Lost;
  /** Milliseconds; when its last answer came. */
  idleSince: number;
  onEnd: ((end: End) => void) | undefined;
};

/** A second less than the server keeps it, as HTTP clients do: later it may close as we send. */
const keepMs = 4000;

export const createLines = (target: Target) => {
  const idle: Line[] = [];
  const busy = new Set<Line>();

  const settle = (line: Line, end: End) => {
    const { onEnd } = line;
    line.onEnd = undefined;
    busy.delete(line);
    onEnd?.(end);
  };

  const answered = (line: Line, end: End, closes: boolean) => {
    line.idleSince = performance.now();
    if (line.isKept && !closes) idle.push(line);
    else line.wire?.close();
    settle(line, end);
  };

  const takeIdle = (): Line | undefined => {
    const line = idle.pop();
    if (line === undefined || performance.now() - line.idleSince < keepMs) return line;
    // Those below were used even longer ago.
    for (const old of [line, ...idle.splice(0)]) old.wire?.close();
    return undefined;
  };

  const gone = (line: Line) => {
    const at = idle.indexOf(line);
    if (at !== -1) idle.splice(at, 1);
    settle(line, { status: 0, text: line.lost });
  };

  const open = async (line: Line, bytes: Uint8Array) => {
    try {
      const wire = await openWire(
        target,
        ({ status, text, closes }) => answered(line, { status, text }, closes),
        () => gone(line),
      );
      line.wire = wire;
      if (line.onEnd === undefined) wire.close();
      else wire.send(bytes);
    } catch {
      settle(line, { status: 0, text: 'refused' });
    }
  };

  return {
    send: (
      request: { bytes: Uint8Array; isKept: boolean; until: number },
      onEnd: (end: End) => void,
    ) => {
      const { bytes, isKept, until } = request;
      const found = isKept ? takeIdle() : undefined;
      const idleSince = 0;
      const line: Line = found ?? {
        wire: undefined,
        isKept,
        until,
        lost: 'reset',
        idleSince,
        onEnd,
      };
      line.until = until;
      line.onEnd = onEnd;
      busy.add(line);
      if (found === undefined) void open(line, bytes);
      else line.wire?.send(bytes);
    },
    /** Ends what has taken too long. */
    sweep: (now: number) => {
      for (const line of busy) {
        if (now < line.until) continue;
        line.lost = 'gave_up';
        if (line.wire === undefined) settle(line, { status: 0, text: line.lost });
        else line.wire.close();
      }
    },
    /** Idle ones only: new clients come with new connections. */
    forget: () => {
      for (const { wire } of idle.splice(0)) wire?.close();
    },
  };
};
