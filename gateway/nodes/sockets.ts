/**
 * Kept-alive connections to one node, in the shape of an agent for node:http. Node's own Agent
 * merges and copies all options for each request to find the pool by name; here there is one
 * address, so a list will do: the same forward costs a fifth less, and touches less memory.
 * Of Node's it uses what every custom agent lives on: `addRequest`, `onSocket` and `free`.
 */
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

export type Sockets = ReturnType<typeof createSockets>;

const maxFree = 64;
/** Below the nodes' keep-alive of 65 s, or they would close what we are about to use. */
const idleMs = 30_000;

/** `connect` opens one connection; it is called for each request that finds none free. */
export const createSockets = (connect: () => Socket) => {
  /** The one used last is used first: the others may grow old and go. */
  const free: Socket[] = [];
  const users = new Map<Socket, ClientRequest>();

  const forget = (socket: Socket) => {
    users.delete(socket);
    const at = free.indexOf(socket);
    if (at !== -1) free.splice(at, 1);
  };

  const release = (socket: Socket) => {
    const isReusable = socket.writable && users.get(socket)?.shouldKeepAlive;
    if (isReusable && free.length < maxFree) free.push(socket);
    else socket.destroy();
  };

  const open = (): Socket => {
    const socket = connect();
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

  const takeFree = (): Socket | undefined => {
    let socket = free.pop();
    while (socket !== undefined && !socket.writable) socket = free.pop();
    return socket;
  };

  return {
    // read by node:http:
    protocol: 'http:',
    defaultPort: 80,
    keepAlive: true,
    maxSockets: Number.POSITIVE_INFINITY,
    addRequest: (request: ClientRequest) => {
      const kept = takeFree();
      request.reusedSocket = kept !== undefined;
      const socket = kept ?? open();
      users.set(socket, request);
      request.onSocket(socket);
    },
    // and by us:
    destroy: () => {
      for (const socket of users.keys()) socket.destroy();
    },
  };
};
