/**
 * The certificate files that we go to a store with, Redis or PostgreSQL. They are read again for each new
 * connection, so a renewed one is taken over by the next. What cannot be used (half of a renewal) leaves the
 * last ones in force.
 */
import { readFileSync } from 'node:fs';
import type { SecureContext } from 'node:tls';
import { contextOf } from './certificate.js';
import { systemCodeOf } from './describe-error.js';

/** `ca`: who signs the store's certificate, without it those that Node trusts; `cert`, `key`: what we show. */
export type ClientFiles = { ca?: string; cert?: string; key?: string };
type Logs = { warn(fields: object, text: string): void };

const readPem = (store: string, path: string | undefined): Buffer | undefined => {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    const code = systemCodeOf(error) ?? 'unknown';
    throw new Error(`a certificate file for ${store}, ${path}, cannot be read (${code})`);
  }
};

const readContext = (store: string, files: ClientFiles): SecureContext => {
  const [ca, cert, key] = [files.ca, files.cert, files.key].map((path) => readPem(store, path));
  const pems = { ...(ca && { ca }), ...(cert && key && { cert, key }) };
  return contextOf(pems, `the certificate files for ${store} (${Object.values(files).join(', ')})`);
};

/**
 * What each new connection asks for. Throws an Error that names the files when they cannot be used now.
 * `store`: its name, for people.
 */
export const createClientContext = (options: {
  store: string;
  files: ClientFiles;
  log: Logs;
}): (() => SecureContext) => {
  const { store, files, log } = options;
  let last = readContext(store, files);
  let isTold = false;
  return () => {
    try {
      last = readContext(store, files);
      isTold = false;
    } catch (err) {
      if (!isTold) log.warn({ err }, 'certificate files cannot be used, the last ones stay');
      isTold = true;
    }
    return last;
  };
};
