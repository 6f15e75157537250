/**
 * Certificate files: read at start, and again whenever one of them changes. A pair that does not fit
 * (half of a renewal) leaves the old one in force until the next look.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { systemCodeOf } from './describe-error.js';
import type { Metrics } from './metrics.js';

export type CertificateFiles = { certFile: string; keyFile: string; caFile?: string };
/** `ca`: who signs those that we talk to; without it nobody is asked for a certificate. */
export type Certificate = { cert: Buffer; key: Buffer; ca?: Buffer };
type Logs = { error(fields: object, text: string): void; info(fields: object, text: string): void };

const pathsOf = ({ certFile, keyFile, caFile }: CertificateFiles): string[] =>
  caFile === undefined ? [certFile, keyFile] : [certFile, keyFile, caFile];

/** What these make together. Throws when they cannot be used; `names`: of the files, for people. */
export const contextOf = (pems: Partial<Certificate>, names: string): SecureContext => {
  try {
    // A CA that is none would not be missed there.
    if (pems.ca) new X509Certificate(pems.ca);
    return createSecureContext(pems);
  } catch (cause) {
    throw new Error(`${names} do not fit together or are no PEM files`, { cause });
  }
};

/** Throws with a message that names the files when they cannot be used. */
export const readCertificate = (files: CertificateFiles): Certificate => {
  const { certFile, keyFile, caFile } = files;
  const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const all = caFile === undefined ? pair : { ...pair, ca: readFileSync(caFile) };
  contextOf(all, pathsOf(files).join(', '));
  return all;
};

/** When it stops being valid, in seconds since 1970. */
export const endOf = ({ cert }: Pick<Certificate, 'cert'>): number =>
  Date.parse(new X509Certificate(cert).validTo) / 1000;

/** A folder that may not be entered for a moment is no failure of ours, only another version. */
const versionOfFile = (path: string): string => {
  try {
    const { ino, mtimeMs, ctimeMs, size } = statSync(path);
    return `${ino}:${mtimeMs}:${ctimeMs}:${size}`;
  } catch (error) {
    return systemCodeOf(error) ?? 'unknown';
  }
};

const versionOf = (files: CertificateFiles): string => pathsOf(files).map(versionOfFile).join();

/**
 * Looks every `intervalMs` and calls `use` with what has changed; when that throws, the old one stays.
 * Returns a function that ends this.
 */
export const watchCertificate = (options: {
  files: CertificateFiles;
  use: (certificate: Certificate) => void;
  log: Logs;
  intervalMs?: number;
}) => {
  const { files, use, log, intervalMs = 1000 } = options;
  let version = versionOf(files);
  let failed: string | undefined;
  const look = () => {
    const current = versionOf(files);
    if (current === version) return;
    try {
      use(readCertificate(files));
      version = current;
      failed = undefined;
      log.info({ cert: files.certFile }, 'certificate reloaded');
    } catch (err) {
      // Tried again at each look, but said once for these very files.
      if (failed !== current) log.error({ err }, 'certificate cannot be used, the old one stays');
      failed = current;
    }
  };
  const timer = setInterval(look, intervalMs).unref();
  return () => clearInterval(timer);
};

/** The end of each certificate in force, for an alert before it comes. `use`: public, nodes or node. */
export const watchEnds = (
  metrics: Metrics,
  inForce: Readonly<Record<string, () => Certificate | undefined>>,
): void => {
  metrics.gauge(
    'certificate_end_timestamp_seconds',
    'When the certificate in force ends',
    ['use'],
    (gauge) => {
      for (const [use, find] of Object.entries(inForce)) {
        const certificate = find();
        if (certificate !== undefined) gauge.set({ use }, endOf(certificate));
      }
    },
  );
};
