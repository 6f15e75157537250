/**
 * Who is calling, for limits and the session list: the client address behind proxies we trust, and
 * the network it belongs to. X-Forwarded-For is believed only from TRUSTED_PROXIES. A private peer
 * that sends it while that setting is empty is most likely our own unconfigured proxy: one address
 * would then stand for everybody, so address limits go off, loudly.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Log } from '../shared/log.js';
import type { Metrics } from '../shared/metrics.js';

export type ClientAddress = {
  /** As shown to the user; empty when unknown. */
  address: string;
  /** v4 /32 or v6 /64 and v4 /24 or v6 /48 as limit keys; undefined = no address limits. */
  client: string | undefined;
  network: string | undefined;
};

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];
type From = { readonly remoteAddress?: string | undefined };
type Peer = { own: ClientAddress; address: Address | undefined; isProxy: boolean };

const nobody: ClientAddress = { address: '', client: undefined, network: undefined };

/** node:net is strict where ipaddr.js reads "10.1" and octal as addresses. */
const parse = (text: string): Address | undefined =>
  isIP(text) === 0 ? undefined : ipaddr.process(text);

/** Some proxies write the port, too, as RFC 7239 has it: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
const parseHop = (text: string): Address | undefined => {
  const hop = text.trim();
  const [, v6, v4] = /^(?:\[([\da-f.]*:[\da-f:.]+)\]|(\d[\d.]*))(?::\d{1,5})?$/i.exec(hop) ?? [];
  return parse(v6 ?? v4 ?? hop);
};

/** Of what the settings take for a network. */
const parseRange = (text: string): Range => {
  if (text.includes('/')) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
};

const isIn = (address: Address, ranges: readonly Range[]): boolean =>
  ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits));

const prefix = (address: Address, bytes: number): string =>
  Buffer.from(address.toByteArray().slice(0, bytes)).toString('hex');

const clientAt = (address: Address): ClientAddress => {
  const isV4 = address.kind() === 'ipv4';
  return {
    address: address.toString(),
    client: prefix(address, isV4 ? 4 : 8),
    network: prefix(address, isV4 ? 3 : 6),
  };
};

const isPrivate = (address: Address): boolean =>
  ['private', 'loopback', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'].includes(address.range());

/** For a port that trusts no proxy: whoever is connected. */
export const peers = {
  of: ({ socket }: IncomingMessage): ClientAddress => {
    const address = parse(socket.remoteAddress ?? '');
    return address === undefined ? nobody : clientAt(address);
  },
};

export type Addresses = ReturnType<typeof createAddresses>;

export const createAddresses = ({
  trustedProxies,
  log,
  metrics,
}: {
  /** Addresses and networks, each as `isNetwork` has it. */
  trustedProxies: readonly string[];
  log: Log;
  metrics: Metrics;
}) => {
  const ranges = trustedProxies.map(parseRange);
  const direct = new WeakMap<From, Peer>();
  const found = new WeakMap<IncomingMessage, ClientAddress>();
  let warnedAt = Number.NEGATIVE_INFINITY;
  const unconfigured = metrics.counter(
    'address_limits_off_total',
    'Requests without address limits: a private peer sends X-Forwarded-For, TRUSTED_PROXIES is unset',
  );

  const warn = () => {
    unconfigured.inc();
    if (performance.now() - warnedAt < 60_000) return;
    warnedAt = performance.now();
    log.warn(
      'X-Forwarded-For arrives from a private address but TRUSTED_PROXIES is unset: address limits are off. Set TRUSTED_PROXIES to the address of your proxy',
    );
  };

  /** The rightmost entry that is not a proxy of ours; who is inside our own ranges is the leftmost. */
  const forwarded = (header: string): Address | undefined => {
    let address: Address | undefined;
    for (const hop of header.split(',').reverse()) {
      address = parseHop(hop);
      if (address === undefined || !isIn(address, ranges)) return address;
    }
    return address;
  };

  /** Found once per socket. */
  const peerOf = (socket: From): Peer => {
    const known = direct.get(socket);
    if (known !== undefined) return known;
    const address = parse(socket.remoteAddress ?? '');
    const own = address === undefined ? nobody : clientAt(address);
    const peer = { own, address, isProxy: address !== undefined && isIn(address, ranges) };
    direct.set(socket, peer);
    return peer;
  };

  const findClient = (req: IncomingMessage): ClientAddress => {
    const header = req.headers['x-forwarded-for'];
    const { own, address, isProxy } = peerOf(req.socket);
    if (typeof header !== 'string' || address === undefined) return own;
    if (isProxy) {
      const client = forwarded(header);
      return client === undefined ? own : clientAt(client);
    }
    if (ranges.length > 0 || !isPrivate(address)) return own;
    warn();
    return { address: own.address, client: undefined, network: undefined };
  };

  return {
    /** Found once per request: limits, sessions and the audit line all ask. */
    of: (req: IncomingMessage): ClientAddress => {
      const known = found.get(req);
      if (known !== undefined) return known;
      const client = findClient(req);
      found.set(req, client);
      return client;
    },
    /** Whose connection this is, for the limit of them; undefined for our own proxies. */
    connectionKey: (socket: From): string | undefined => {
      const { own, isProxy } = peerOf(socket);
      return isProxy ? undefined : own.client;
    },
    /** A trusted proxy's request id, for correlation only. */
    requestIdOf: (req: IncomingMessage): string | undefined => {
      const id = req.headers['x-request-id'];
      if (ranges.length === 0 || typeof id !== 'string' || !/^[\w.:-]{1,64}$/.test(id))
        return undefined;
      return peerOf(req.socket).isProxy ? id : undefined;
    },
  };
};
