/**
 * Opens connections to nodes. On TLS the node's certificate must be signed by our own CA and carry the
 * name from the node's registry entry. Node writes what waits on a TLS socket in the moment the
 * handshake ends, before anybody has looked at the peer: so a connection says when it may be written
 * to (`readyOn`), and nobody may before.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import { systemCodeOf } from '../../shared/describe-error.js';
import { type Identity, namesIn } from '../../shared/identity.js';
import { createLookup } from './lookup.js';
import type { Place } from './place.js';

export type Connect = {
  open: () => Socket;
  /** Until this event the peer is not known; undefined: what is written waits for the right one. */
  readyOn?: 'secureConnect';
};
type Logs = { warn(fields: object, text: string): void };

/** After which the other end is asked whether it is still there. */
const keepAliveMs = 15_000;

const settle = (socket: Socket): Socket => {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  return socket;
};

/** Why this certificate is not the node's; undefined when it is. */
const wrongPeer = (name: string, { subjectaltname }: PeerCertificate): Error | undefined => {
  const names = namesIn(subjectaltname);
  if (names.includes(name)) return undefined;
  return Object.assign(new Error(`its certificate has not the name ${name}`), {
    code: 'WRONG_NODE_NAME',
  });
};

const createTls = (place: Extract<Place, { kind: 'tls' }>, identity: Identity, log: Logs) => {
  const { host, port, name } = place;
  /** It vouches for a peer that was checked under the certificates of its time. */
  let kept: { session: Buffer; context: SecureContext } | undefined;
  let failing = '';
  const lookup = createLookup();

  /** Says once what is wrong, until it is something else or nothing. */
  const onTrouble = (error: Error) => {
    const code = systemCodeOf(error) ?? error.name;
    if (code !== failing) log.warn({ node: name, code, err: error }, 'node cannot be reached');
    failing = code;
  };

  return (): Socket => {
    const context = identity.context();
    const options: ConnectionOptions = {
      host,
      port,
      lookup,
      secureContext: context,
      // Or NODE_TLS_REJECT_UNAUTHORIZED=0 in somebody's environment would let in everybody.
      rejectUnauthorized: true,
      checkServerIdentity: (_, certificate) => wrongPeer(name, certificate),
      ...(kept?.context === context ? { session: kept.session } : {}),
    };
    const socket = connectTls(options);
    socket.on('error', onTrouble);
    socket.once('secureConnect', () => {
      failing = '';
      socket.off('error', onTrouble);
    });
    socket.on('session', (session) => {
      if (socket.authorized) kept = { session, context };
    });
    return settle(socket);
  };
};

/** How to reach a place. Without an identity there is no TLS; `findPlace` does not offer it then. */
export const createConnectTo =
  (given: { identity?: Identity | undefined; log?: Logs } = {}) =>
  (place: Place): Connect => {
    const { identity, log = { warn: () => {} } } = given;
    if (place.kind === 'unix') return { open: () => connectPlain({ path: place.path }) };
    if (identity === undefined) throw new Error('TLS without a certificate');
    return { open: createTls(place, identity, log), readyOn: 'secureConnect' };
  };
