/**
 * Kept-alive connections to one node, in the shape of an agent for node:http. Node's own Agent
 * merges and copies all options for each request to find the pool by name; here there is one
 * address, so a list will do: the same forward costs a fifth less, and touches less memory.
 * Of Node's it uses what every custom agent lives on: `addRequest`, `onSocket` and `free`.
 */
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { whenLate } from '../../shared/late.js';
import type { Connect } from './connect.js';

export type Sockets = ReturnType<typeof createSockets>;

const maxFree = 64;
/** Below the nodes' keep-alive of 65 s, or they would close what we are about to use. */
const idleMs = 30_000;
/** Below the time that an attempt gets, so that whoever is out of reach counts as just that. */
const connectMs = 500;

/** The code of what kept a request from being sent at all. */
export const unreachedCode = 'NODE_UNREACHED';

/**
 * Opens a connection for each request that finds none free. Without `keepAlive` each is used once.
 */
export const createSockets = ({ connect, keepAlive }: { connect: Connect; keepAlive: boolean }) => {
  /** The one used last is used first: the others may grow old and go. */
  const free: Socket[] = [];
  const users = new Map<Socket, ClientRequest>();
  /** In use, and not to be used again. */
  let outdated: WeakSet<Socket> | undefined;

  const forget = (socket: Socket) => {
    users.delete(socket);
    const at = free.indexOf(socket);
    if (at !== -1) free.splice(at, 1);
  };

  const release = (socket: Socket) => {
    const isReusable = socket.writable && users.get(socket)?.shouldKeepAlive;
    if (isReusable && free.length < maxFree && !outdated?.has(socket)) free.push(socket);
    else socket.destroy();
  };

  const open = (): Socket => {
    const socket = connect.open();
    socket.setTimeout(idleMs);
    socket.on('free', () => release(socket));
    socket.on('timeout', () => {
      if (free.includes(socket)) socket.destroy();
    });
    socket.on('close', () => forget(socket));
    // A request in flight has its own listener; an idle connection may break unheard.
    socket.on('error', () => {});
    return socket;
  };

  /** Gives the socket to the request when the peer is known; before, nothing may be written to it. */
  const giveWhen = (event: string, request: ClientRequest, socket: Socket) => {
    const fail = (cause: unknown) => {
      const error = Object.assign(new Error('not reached', { cause }), { code: unreachedCode });
      // As Node's own agent says it; the type leaves the second argument out.
      Reflect.apply(request.onSocket, request, [null, error]);
    };
    let failure: unknown;
    const onError = (error: unknown) => {
      failure = error;
    };
    const onClose = () => {
      stopWaiting();
      fail(failure);
    };
    // Not the socket's own timeout: a byte now and then would put that off.
    const stopWaiting = whenLate(connectMs, () =>
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })),
    );
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.once(event, () => {
      stopWaiting();
      socket.off('error', onError).off('close', onClose);
      // Kept unused, it would hold the node's 408 for whoever gets it next.
      if (request.destroyed) socket.destroy();
      request.onSocket(socket);
    });
  };

  const takeFree = (): Socket | undefined => {
    let socket = free.pop();
    while (socket !== undefined && !socket.writable) socket = free.pop();
    return socket;
  };

  return {
    // read by node:http:
    protocol: 'http:',
    defaultPort: 80,
    keepAlive,
    maxSockets: Number.POSITIVE_INFINITY,
    addRequest: (request: ClientRequest) => {
      const kept = takeFree();
      request.reusedSocket = kept !== undefined;
      const socket = kept ?? open();
      users.set(socket, request);
      if (kept !== undefined || connect.readyOn === undefined) request.onSocket(socket);
      else giveWhen(connect.readyOn, request, socket);
    },
    // and by us:
    /** Lets every connection that is open now end with the request that it serves. */
    renew: () => {
      outdated = new WeakSet(users.keys());
      for (const socket of free.splice(0)) socket.destroy();
    },
    destroy: () => {
      for (const socket of users.keys()) socket.destroy();
    },
  };
};
