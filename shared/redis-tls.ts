/** The certificate files that REDIS_URL names, as options of a TLS connection. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { systemCodeOf } from './describe-error.js';
import type { TlsFiles } from './redis-url.js';

const readPem = (path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = systemCodeOf(error) ?? 'unknown';
    throw new Error(`a certificate file for Redis, ${path}, cannot be read (${code})`);
  }
};

/** What node:tls wants for a connection to Redis. Throws an Error that names the file it cannot read. */
export const readTls = ({ ca, cert, key }: TlsFiles, servername?: string) => ({
  // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: the password goes there.
  rejectUnauthorized: true,
  ...(ca && { ca: readPem(ca) }),
  ...(cert && key && { cert: readPem(cert), key: readPem(key) }),
  ...(servername && isIP(servername) === 0 && { servername }),
});
