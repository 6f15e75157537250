/** Opens a port, or says which setting to change. */
import type { Server } from 'node:http';

const hints: Record<string, string> = {
  EADDRINUSE: 'is taken: stop what holds it, or set another port',
  EACCES: 'may not be opened by this user: choose a port above 1023',
  EADDRNOTAVAIL: 'is at an address that this machine does not have',
};

/**
 * Connections that the kernel keeps for us until we accept them, within its own limit (somaxconn,
 * 4096). What is over that has to try again, a second later; Node's 511 are no crowd.
 */
export const backlog = 4096;

export const listen = (
  server: Server,
  wanted: { host: string; port: number; setting: string },
): Promise<number> =>
  new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      const hint = hints[error.code ?? ''] ?? `cannot be opened (${error.code})`;
      reject(new Error(`${wanted.setting}=${port} on ${host} ${hint}.`));
    };
    server.once('error', onError);
    const { host, port } = wanted;
    server.listen({ host, port, backlog }, () => {
      server.off('error', onError);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : wanted.port);
    });
  });
