/**
 * The public port's certificate: read at start, and again whenever one of the files changes. A pair
 * that does not fit (half of a renewal) leaves the old one in force until the next look.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { Log } from '../shared/log.js';

type Files = { certFile: string; keyFile: string };

/** Throws with a message that names the file when the pair cannot be used. */
export const readCertificate = ({ certFile, keyFile }: Files) => {
  const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  createSecureContext(pair);
  return pair;
};

const versionOf = ({ certFile, keyFile }: Files): string =>
  [certFile, keyFile].map((path) => `${statSync(path).mtimeMs}:${statSync(path).size}`).join();

/** Looks every `intervalMs`; returns a function that ends this. */
export const watchCertificate = (
  files: Files,
  server: Pick<Server, 'setSecureContext'>,
  log: Log,
  intervalMs = 1000,
) => {
  let version = versionOf(files);
  const look = () => {
    try {
      const current = versionOf(files);
      if (current === version) return;
      server.setSecureContext({ ...readCertificate(files), minVersion: 'TLSv1.2' });
      version = current;
      log.info({ cert: files.certFile }, 'certificate reloaded');
    } catch (err) {
      log.error({ err }, 'certificate cannot be used, the old one stays');
    }
  };
  const timer = setInterval(look, intervalMs);
  return () => clearInterval(timer);
};
