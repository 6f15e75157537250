/**
 * Who is who between gateway and nodes on TCP: TLS 1.3, one private CA, and names in certificates.
 * `floodgate://gateway` may ask; `floodgate://node/NAME` may answer as the node NAME and as NAME-0,
 * NAME-1, … (several nodes of one machine share its certificate). No other name, no host name and no
 * public CA counts. Own files are read again when they change; a new pair that names somebody else
 * is refused like a broken one.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import {
  type Certificate,
  type CertificateFiles,
  endOf,
  readCertificate,
  watchCertificate,
} from './certificate.js';
import type { Env } from './env.js';
import type { Log } from './log.js';

export type Identity = ReturnType<typeof openIdentity>;

export const gatewayName = 'floodgate://gateway';
export const tlsVersion = 'TLSv1.3';

const day = 86_400_000;
const warnDays = 14;

const nodeName = (name: string): string => `floodgate://node/${encodeURIComponent(name)}`;

/** Whether a certificate with this name may answer for the node. */
export const isNameOf = (name: string, nodeId: string): boolean => {
  if (!/^[\x21-\x7e]{1,128}$/.test(nodeId)) return false;
  return name === nodeName(nodeId) || name === nodeName(nodeId.replace(/-\d+$/, ''));
};

/**
 * Our names in the text that Node makes of the alternative names. It quotes whatever could pass for a
 * second entry, and no name of ours has a character that is quoted.
 */
export const namesIn = (altNames: string | undefined): string[] =>
  (altNames ?? '')
    .split(', ')
    .filter((entry) => entry.startsWith('URI:floodgate://'))
    .map((entry) => entry.slice(4));

/** All three files, or none. */
export const readIdentityFiles = (env: Env): Required<CertificateFiles> | undefined => {
  const paths = env.together('NODE_TLS_CERT_FILE', 'NODE_TLS_KEY_FILE', 'NODE_TLS_CA_FILE');
  if (paths === undefined) return undefined;
  const [certFile = '', keyFile = '', caFile = ''] = paths;
  return { certFile, keyFile, caFile };
};

const certificatesIn = (pem: Buffer): X509Certificate[] =>
  [...pem.toString().matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)].map(
    ([text]) => new X509Certificate(text),
  );

/** Whether one of our CAs issued it, or what comes with it. */
const isIssuedBy = (chain: Buffer, ca: Buffer): boolean => {
  const issuers = certificatesIn(ca);
  return certificatesIn(chain).some((one) =>
    issuers.some((by) => one.checkIssued(by) && one.verify(by.publicKey)),
  );
};

/** With one that the other side refuses we would be ready, and nobody could talk to us. */
const untimely = ({ validFrom, validTo }: X509Certificate, file: string): string | undefined => {
  const now = Date.now();
  if (now > Date.parse(validTo))
    return `NODE_TLS_CERT_FILE ${file} ended on ${validTo}: floodgate certs … --renew makes a new one.`;
  if (now < Date.parse(validFrom))
    return `NODE_TLS_CERT_FILE ${file} is valid from ${validFrom} only: is this machine's clock right?`;
  return undefined;
};

/** Throws an Error that says what to do when the files are no good or name nobody that we are. */
export const openIdentity = (options: {
  files: Required<CertificateFiles>;
  /** Whether this name is ours. */
  isOwn: (name: string) => boolean;
  /** What we should be called, for the message. */
  wanted: string;
  /** Who takes a lost process's place begins with one that has ended, too: not all work needs it. */
  replacesLost?: boolean;
  log: Log;
}) => {
  const { files, isOwn, wanted, replacesLost = false, log } = options;
  const listeners: ((certificate: Certificate) => void)[] = [];

  const read = (certificate: Certificate, isLenient = false) => {
    const leaf = new X509Certificate(certificate.cert);
    const names = namesIn(leaf.subjectAltName);
    const name = names.find(isOwn);
    if (name === undefined) {
      const found = names.length === 0 ? 'no name of ours' : names.join(', ');
      throw new Error(`NODE_TLS_CERT_FILE ${files.certFile} has ${found}, but ${wanted}.`);
    }
    // The other side has the same CAs: it would refuse what these do not know.
    if (certificate.ca !== undefined && !isIssuedBy(certificate.cert, certificate.ca))
      throw new Error(
        `NODE_TLS_CERT_FILE ${files.certFile} is of none of the CAs in NODE_TLS_CA_FILE ${files.caFile}.`,
      );
    const problem = untimely(leaf, files.certFile);
    if (problem !== undefined && !isLenient) throw new Error(problem);
    if (problem !== undefined) log.error({ alarm: true }, problem);
    const context = createSecureContext({ ...certificate, minVersion: tlsVersion });
    return { certificate, name, context };
  };

  let current = read(readCertificate(files), replacesLost);
  const warn = () => {
    const daysLeft = Math.floor((1000 * endOf(current.certificate) - Date.now()) / day);
    if (daysLeft < warnDays)
      log.warn({ days_left: daysLeft }, 'certificate ends: floodgate certs … --renew');
  };
  warn();
  const daily = setInterval(warn, day).unref();
  /** Others know us by the name that we began with. */
  const use = (certificate: Certificate) => {
    const next = read(certificate);
    if (next.name !== current.name)
      throw new Error(
        `NODE_TLS_CERT_FILE ${files.certFile} is for ${next.name} now, and we are known as ${current.name}: restart.`,
      );
    current = next;
    warn();
    for (const listener of listeners) listener(certificate);
  };

  const endWatch = watchCertificate({ files, use, log });

  return {
    certificate: (): Certificate => current.certificate,
    name: (): string => current.name,
    context: (): SecureContext => current.context,
    /** Called after a change with what is now in force. */
    onChange: (listener: (certificate: Certificate) => void) => void listeners.push(listener),
    close: () => {
      clearInterval(daily);
      endWatch();
    },
  };
};
