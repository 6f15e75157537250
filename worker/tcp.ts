/**
 * The node's second door, for gateways on other machines: TCP with mutual TLS 1.3. The one caller let in is the
 * gateway, by the name in its certificate: another node's certificate is as good as none. Changed certificate files
 * are taken over without a restart: what connects later gets the new ones, what is connected is told to come back.
 */
import type { IncomingMessage, Server } from 'node:http';
import { hostname } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { type Address, formatAddress } from '../shared/address.js';
import type { Certificate, CertificateFiles } from '../shared/certificate.js';
import type { createHttp, HttpOptions } from '../shared/http.js';
import {
  gatewayName,
  type Identity,
  isNameOf,
  namesIn,
  openIdentity,
  tlsVersion,
} from '../shared/identity.js';
import { listen } from '../shared/listen.js';
import type { Log } from '../shared/log.js';
import type { Endpoint } from '../shared/protocol.js';

export type TcpSettings = {
  listen: Address;
  /** Where gateways reach it, when that is not where it listens. */
  advertise?: Address | undefined;
  tls: Required<CertificateFiles>;
};
type Http = ReturnType<typeof createHttp>;
type Serve = (more: Pick<HttpOptions, 'tls' | 'decorate'>) => Http;

/** Refused callers are told of in the log this often at the most. */
const tellEveryMs = 60_000;

const wildcards = ['0.0.0.0', '::'];

const isGateway = (socket: TLSSocket): boolean =>
  socket.authorized && namesIn(socket.getPeerCertificate().subjectaltname).includes(gatewayName);

/** Lets in the gateway only; counts nothing, remembers who is connected. */
const guard = (server: Server, log: Log) => {
  const connected = new Set<TLSSocket>();
  let toldAt = Number.NEGATIVE_INFINITY;

  const tell = (fields: object) => {
    if (performance.now() - toldAt < tellEveryMs) return;
    toldAt = performance.now();
    log.warn(fields, 'a caller without the gateway’s certificate was refused');
  };

  // Before the server's own listener, which begins to read requests.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (!isGateway(socket)) {
      tell({ address: socket.remoteAddress });
      socket.destroy();
      return;
    }
    connected.add(socket);
    socket.once('close', () => connected.delete(socket));
  });
  server.on('tlsClientError', (err: Error, socket: TLSSocket) => {
    // Node ends such a connection itself, and says only that it hung up.
    tell({ address: socket.remoteAddress, reason: socket.authorizationError ?? err.message });
    socket.destroy();
  });
  return connected;
};

const openTls = (serve: Serve, identity: Identity, log: Log): Http => {
  /** Connected under certificates that are no longer ours. */
  let outdated = new WeakSet<object>();
  const http = serve({
    tls: {
      ...identity.certificate(),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: tlsVersion,
    },
    decorate: (req: IncomingMessage, answer) => {
      if (outdated.has(req.socket)) answer.connection = 'close';
    },
  });
  const connected = guard(http.server, log);
  identity.onChange((certificate) => {
    if ('setSecureContext' in http.server)
      http.server.setSecureContext({ ...certificate, minVersion: tlsVersion });
    outdated = new WeakSet(connected);
  });
  return http;
};

const addressOf = ({ listen: { host }, advertise }: TcpSettings, port: number): Address =>
  advertise ?? { host: wildcards.includes(host) ? hostname() : host, port };

/** Throws an Error that says what to do: files, names, the port. */
export const openTcp = async (options: {
  settings: TcpSettings;
  nodeId: string;
  /** Makes the server that knows the routes. */
  serve: Serve;
  log: Log;
}): Promise<{
  endpoint: Endpoint;
  stop: Http['stop'];
  close: () => void;
  /** The one in force. */
  certificate: () => Certificate;
}> => {
  const { settings, nodeId, serve, log } = options;
  const { tls: files } = settings;
  const wanted = `this node is ${nodeId}: set NODE_ID, or see floodgate certs node`;
  const isOwn = (name: string) => isNameOf(name, nodeId);
  const identity = openIdentity({ files, isOwn, wanted, log });
  const http = openTls(serve, identity, log);
  const port = await listen(http.server, { ...settings.listen, setting: 'NODE_LISTEN' });
  const tcp = formatAddress(addressOf(settings, port));
  return {
    endpoint: { tcp, name: identity.name() },
    stop: http.stop,
    close: identity.close,
    certificate: identity.certificate,
  };
};
