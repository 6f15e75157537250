/**
 * The gateway's two certificates, both replaced while we serve: the one of the public and the admin port,
 * and the one it shows to nodes on TCP.
 */
import type { Server as PlainServer } from 'node:http';
import type { Server } from 'node:https';
import {
  type Certificate,
  type CertificateFiles,
  watchCertificate,
} from '../shared/certificate.js';
import { gatewayName, type Identity, openIdentity } from '../shared/identity.js';
import type { Lifecycle } from '../shared/lifecycle.js';
import type { Log } from '../shared/log.js';

/** Takes over changed files, and tells of it; returns a function that ends this. */
export const keepCertificate = (
  files: CertificateFiles,
  server: Server | PlainServer,
  log: Log,
  changed: (certificate: Certificate) => void = () => {},
): (() => void) =>
  watchCertificate({
    files,
    log,
    use: (certificate) => {
      if ('setSecureContext' in server)
        server.setSecureContext({ ...certificate, minVersion: 'TLSv1.2' });
      changed(certificate);
    },
  });

/** Throws an Error that says what to do when the files do not make us the gateway. */
export const openGatewayIdentity = (
  files: Required<CertificateFiles> | undefined,
  { lifecycle, log, replacesLost }: { lifecycle: Lifecycle; log: Log; replacesLost: boolean },
): Identity | undefined => {
  if (files === undefined) return undefined;
  const isOwn = (name: string) => name === gatewayName;
  const wanted = `the gateway needs ${gatewayName}: see floodgate certs init`;
  const identity = openIdentity({ files, isOwn, wanted, replacesLost, log });
  lifecycle.onStop('certificate for nodes', identity.close);
  return identity;
};
