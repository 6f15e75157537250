/**
 * What connections may take of a server: how many there are, of everybody and of one client, and
 * how many requests may wait on one. Whoever wants more is cut off without an answer or a log line,
 * and counted by who passes `onRefused`; requests are not looked at here.
 */
import type { Socket } from 'node:net';

/** Too many of everybody, too many of one client, too many requests at once on one. */
export type Refusal = 'all' | 'client' | 'pipeline';
export type ConnectionLimits = {
  maxConnections?: number;
  /** Connections of one client; no key = an address that stands for many of them. */
  perClient?: { max: number; keyOf: (socket: Socket) => string | undefined };
  /** A connection was cut off. */
  onRefused?: (reason: Refusal) => void;
};

/** Unanswered requests that one connection may have; who pipelines more is cut off. */
const maxPipelined = 16;

/** Counts connections and closes those past the limits. */
export const limitConnections = ({
  maxConnections = Number.POSITIVE_INFINITY,
  perClient,
  onRefused,
}: ConnectionLimits) => {
  const open = new Map<string, number>();
  let all = 0;

  const leave = (key: string | undefined) => {
    all--;
    if (key === undefined) return;
    const left = (open.get(key) ?? 1) - 1;
    if (left === 0) open.delete(key);
    else open.set(key, left);
  };

  const refuse = (socket: Socket, reason: Refusal) => {
    socket.destroy();
    onRefused?.(reason);
  };

  const enter = (socket: Socket) => {
    const key = perClient?.keyOf(socket);
    const count = key === undefined ? 0 : (open.get(key) ?? 0) + 1;
    if (all >= maxConnections) return refuse(socket, 'all');
    if (count > (perClient?.max ?? Number.POSITIVE_INFINITY)) return refuse(socket, 'client');
    all++;
    if (key !== undefined) open.set(key, count);
    socket.once('close', () => leave(key));
  };

  return { enter, count: () => all };
};

/**
 * Counts unanswered requests by connection: those that wait for something, and those whose answers wait behind
 * another one.
 */
export const createPipeline = ({ onRefused }: Pick<ConnectionLimits, 'onRefused'> = {}) => {
  const waiting = new WeakMap<Socket, number>();
  return {
    /** False when this one is too many; its connection is closed. */
    enter: (socket: Socket): boolean => {
      const count = (waiting.get(socket) ?? 0) + 1;
      if (count > maxPipelined) {
        socket.destroy();
        onRefused?.('pipeline');
        return false;
      }
      waiting.set(socket, count);
      return true;
    },
    leave: (socket: Socket): void => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
    },
  };
};

/**
 * For a connection whose time is up: that it is idle, or that nothing moves on it. After a standstill of this
 * process Node says so before it reads, and closing it would reset a request that came in time.
 */
export const closeUnlessRead = (socket: Socket): void => {
  const { bytesRead } = socket;
  // After the reading. What was read began a new time.
  setImmediate(() => {
    if (socket.bytesRead === bytesRead) socket.destroy();
  });
};
