/**
 * "host:port", the form of settings and registry entries, IPv6 in brackets; what a network looks like; and which
 * hosts are this one.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';

export type Address = { readonly host: string; readonly port: number };

const hostName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/;

/** Undefined when it is none. Port 0 is one, and means a free one. */
export const parseAddress = (text: string): Address | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(0|[1-9]\d{0,4})$/.exec(text);
  const [, v6, name] = match ?? [];
  const port = Number(match?.[3] ?? Number.NaN);
  const isHost = v6 === undefined ? hostName.test(name ?? '') : isIPv6(v6);
  return isHost && port <= 65_535 ? { host: v6 ?? name ?? '', port } : undefined;
};

export const formatAddress = ({ host, port }: Address): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;

/** An address, or a network in the notation of RFC 4632 § 3.1 and RFC 4291 § 2.3: "10.0.0.0/8". */
export const isNetwork = (text: string): boolean => {
  const [, base = '', bits = '0'] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const widest = { 0: -1, 4: 32, 6: 128 }[isIP(base)] ?? -1;
  return Number(bits) <= widest;
};

/** By its spelling: nothing is looked up. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
