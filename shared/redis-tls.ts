/** TLS to a Redis, with the certificate files that its URL names. */
import { isIP } from 'node:net';
import { type ClientFiles, createClientContext } from './client-context.js';

type Logs = { warn(fields: object, text: string): void };

/** What node:tls wants, whoever spreads it for each connection. Throws an Error that names the files. */
export const tlsOptions = (files: ClientFiles, log: Logs, servername?: string) => {
  const context = createClientContext({ store: 'Redis', files, log });
  return {
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: the password goes there.
    rejectUnauthorized: true,
    get secureContext() {
      return context();
    },
    ...(servername && isIP(servername) === 0 && { servername }),
  };
};
