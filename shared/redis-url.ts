/**
 * A Redis is one string, whatever its topology:
 *
 *   redis://user:pass@host:6379/0                         one server; rediss:// with TLS
 *   unix://user:pass@localhost/path/to/socket             one server on this machine
 *   redis+sentinel://user:pass@host:26379,host2/name/0    the master that Sentinels name
 *   redis+cluster://user:pass@host:6379,host2:6379        a Cluster, found from any of its nodes
 *
 * Settings that go with it are query parameters, so that whoever has the string has everything.
 * No message quotes any part of the string: it holds passwords.
 */
import type { ClientFiles } from './client-context.js';

type Host = { host: string; port: number };
type Common = {
  username?: string;
  password?: string;
  /** Undefined: no TLS. */
  tls?: ClientFiles;
  /** Replicas that must have a strong write before it is acknowledged. */
  waitReplicas: number;
};
export type RedisTarget = Common &
  (
    | { kind: 'single'; at: Host | { path: string }; db: number }
    | {
        kind: 'sentinel';
        hosts: Host[];
        master: string;
        db: number;
        sentinelUsername?: string;
        sentinelPassword?: string;
      }
    | { kind: 'cluster'; hosts: Host[] }
  );
type Kind = RedisTarget['kind'];

const schemes: Record<string, { kind: Kind; isTls: boolean; isUnix?: true }> = {
  redis: { kind: 'single', isTls: false },
  rediss: { kind: 'single', isTls: true },
  unix: { kind: 'single', isTls: false, isUnix: true },
  'redis+sentinel': { kind: 'sentinel', isTls: false },
  'rediss+sentinel': { kind: 'sentinel', isTls: true },
  'redis+cluster': { kind: 'cluster', isTls: false },
  'rediss+cluster': { kind: 'cluster', isTls: true },
};
const schemeList =
  'redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://';

const tlsParameters = ['ca', 'cert', 'key'] as const;
const sentinelParameters = ['sentinel_username', 'sentinel_password'] as const;
const parameters: readonly string[] = ['wait_replicas', ...tlsParameters, ...sentinelParameters];
type Parameter =
  | 'wait_replicas'
  | (typeof tlsParameters)[number]
  | (typeof sentinelParameters)[number];

const refuse = (problem: string): never => {
  throw new Error(`the Redis URL ${problem}`);
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse('has a % that encodes nothing: write %25 for a percent sign');
  }
};

/** The whole string: scheme, user info, hosts, path, query. A fragment is a # that was not encoded. */
const form = /^([a-z+]+):\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const hostForm = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/;

const parseHost = (text: string, defaultPort: number): Host => {
  const [whole, v6, name, digits] = hostForm.exec(text) ?? [];
  if (whole === undefined)
    return refuse('has a host that is no name or address, with :port or without');
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port < 1 || port > 65_535) return refuse('has a port that is not from 1 to 65535');
  return { host: v6 ?? name ?? '', port };
};

const parseHosts = (text: string, kind: Kind): Host[] => {
  if (text === '') return refuse('has no host');
  const parts = text.split(',');
  if (kind === 'single' && parts.length > 1)
    return refuse('has several hosts: that is redis+sentinel:// or redis+cluster://');
  return parts.map((part) => parseHost(part, kind === 'sentinel' ? 26_379 : 6379));
};

const parseDb = (text: string): number =>
  /^(0|[1-9]\d{0,4})$/.test(text)
    ? Number(text)
    : refuse('has a database that is not a whole number');

const parseUser = (text: string): { username?: string; password?: string } => {
  const colon = text.indexOf(':');
  const username = decode(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? '' : decode(text.slice(colon + 1));
  if (username !== '' && password === '') return refuse('names a user without a password');
  return { ...(username && { username }), ...(password && { password }) };
};

const parseQuery = (text: string): Partial<Record<Parameter, string>> => {
  const found: Partial<Record<string, string>> = {};
  for (const pair of text.split('&').filter((part) => part !== '')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (!parameters.includes(name) || found[name] !== undefined || equals < 0)
      return refuse(
        `has a query other than ${parameters.map((known) => `${known}=`).join(', ')}, once each`,
      );
    found[name] = decode(pair.slice(equals + 1));
  }
  return found;
};

const readTls = (query: Partial<Record<Parameter, string>>, isTls: boolean) => {
  const { ca, cert, key } = query;
  if (!isTls) {
    if (ca ?? cert ?? key) return refuse('has certificates, but is not rediss://');
    return {};
  }
  if ((cert === undefined) !== (key === undefined))
    return refuse('has a certificate without its key, or a key without its certificate');
  return { tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } };
};

const readWait = (text: string | undefined, kind: Kind): number => {
  if (text === undefined) return kind === 'single' ? 0 : 1;
  return /^\d$/.test(text) ? Number(text) : refuse('has wait_replicas that are not from 0 to 9');
};

const readSingle = (hosts: string, path: string, isUnix: boolean) => {
  if (!isUnix) {
    const [at = refuse('has no host')] = parseHosts(hosts, 'single');
    return { kind: 'single' as const, at, db: parseDb(path.slice(1) || '0') };
  }
  if (hosts !== '' && hosts !== 'localhost')
    return refuse('has a host, but a socket is on localhost');
  if (path.length < 2) return refuse('has no path of a socket');
  return { kind: 'single' as const, at: { path: decode(path) }, db: 0 };
};

const readSentinel = (hosts: string, path: string, query: Partial<Record<Parameter, string>>) => {
  const [master = '', db = '0', ...rest] = path.slice(1).split('/');
  if (!/^[A-Za-z0-9._-]+$/.test(master) || rest.length > 0)
    return refuse('must end with the name of the master: redis+sentinel://host:26379/mymaster');
  const { sentinel_username: sentinelUsername, sentinel_password: sentinelPassword } = query;
  return {
    kind: 'sentinel' as const,
    hosts: parseHosts(hosts, 'sentinel'),
    master,
    db: parseDb(db),
    ...(sentinelUsername && { sentinelUsername }),
    ...(sentinelPassword && { sentinelPassword }),
  };
};

const readCluster = (hosts: string, path: string) => {
  if (!['', '/', '/0'].includes(path))
    return refuse('has a database, but a Cluster has none to choose');
  return { kind: 'cluster' as const, hosts: parseHosts(hosts, 'cluster') };
};

/** Throws an Error that says what is wrong with "the Redis URL". */
export const parseRedisUrl = (url: string): RedisTarget => {
  const [whole, name = '', user = '', hosts = '', path = '', search = ''] = form.exec(url) ?? [];
  const scheme = Object.hasOwn(schemes, name) ? schemes[name] : undefined;
  if (scheme === undefined) {
    const start = /^([a-z+]+):\/\//.exec(url)?.[1] ?? '';
    if (!Object.hasOwn(schemes, start)) return refuse(`must start with ${schemeList}`);
  }
  if (whole === undefined || scheme === undefined)
    return refuse(
      'is malformed: write %40 for @, %2F for /, %3F for ? and %23 for # in a password',
    );
  const { kind, isTls, isUnix = false } = scheme;
  const query = parseQuery(search);
  if (kind !== 'sentinel' && sentinelParameters.some((key) => query[key] !== undefined))
    return refuse('has a password for Sentinels, but names none');
  const common = {
    ...parseUser(user),
    ...readTls(query, isTls),
    waitReplicas: readWait(query.wait_replicas, kind),
  };
  if (kind === 'single') return { ...common, ...readSingle(hosts, path, isUnix) };
  if (kind === 'sentinel') return { ...common, ...readSentinel(hosts, path, query) };
  return { ...common, ...readCluster(hosts, path) };
};

/** A list of URLs with commas between them; those of Sentinels and Clusters have commas inside. */
export const splitRedisUrls = (text: string): string[] =>
  text.split(/,(?=[a-z+]+:\/\/)/).filter((part) => part !== '');

/** The same URL with parameters that it does not have yet; undefined ones are left out. */
export const withParameters = (
  url: string,
  added: Partial<Record<Parameter, string | undefined>>,
): string => {
  const present = new Set((url.split('?')[1] ?? '').split('&').map((pair) => pair.split('=')[0]));
  const pairs = Object.entries(added).flatMap(([name, value]) =>
    value === undefined || present.has(name) ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  if (pairs.length === 0) return url;
  return `${url}${url.includes('?') ? '&' : '?'}${pairs.join('&')}`;
};
