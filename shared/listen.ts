/** Opens a port, or says which setting to change. */
import type { Server } from 'node:http';
import type { ListenOptions } from 'node:net';

const hints: Record<string, string> = {
  EADDRINUSE: 'is taken: stop what holds it, or set another port',
  EACCES: 'may not be opened by this user: choose a port above 1023',
  EADDRNOTAVAIL: 'is at an address that this machine does not have',
};

/**
 * Connections that the kernel keeps for us until we accept them, within its own limit (somaxconn,
 * 4096). What is over that has to try again, a second later; Node's 511 are no crowd.
 */
const backlog = 4096;

const open = (server: Server, where: ListenOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...where, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** A unix socket. */
export const listenOnPath = (server: Server, path: string): Promise<void> => open(server, { path });

/** Resolves with the port, which is another than the wanted one for 0. */
export const listen = async (
  server: Server,
  { host, port, setting }: { host: string; port: number; setting: string },
): Promise<number> => {
  await open(server, { host, port }).catch((error: NodeJS.ErrnoException) => {
    const hint = hints[error.code ?? ''] ?? `cannot be opened (${error.code})`;
    throw new Error(`${setting}=${port} on ${host} ${hint}.`);
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
};
