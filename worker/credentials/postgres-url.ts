/**
 * A PostgreSQL is one string, several hosts in it being one primary and its standbys:
 *
 *   postgres://user:pass@host:5432,host2:5432/database?sslmode=verify-full&sslrootcert=/path/ca.pem
 *   postgres://user@/database?host=/var/run/postgresql      a socket on this machine
 *
 * sslmode: verify-full (default off this machine) · verify-ca · require (encrypted, to whomever) ·
 * disable. No message quotes any part of the string: it holds a password.
 */
import { isLoopback } from '../../shared/address.js';

type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';
export type PostgresHost = { host: string; port: number };
export type PostgresTarget = {
  hosts: PostgresHost[];
  user: string;
  password: string | undefined;
  database: string;
  ssl: { mode: SslMode; ca?: string; cert?: string; key?: string };
};

const form =
  /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^/?#@]*)\/([^/?#]+)(?:\?([^#]*))?$/;
const hostForm = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/;
const modes: readonly SslMode[] = ['disable', 'require', 'verify-ca', 'verify-full'];
const files = { sslrootcert: 'ca', sslcert: 'cert', sslkey: 'key' } as const;
const parameters: readonly string[] = ['host', 'sslmode', ...Object.keys(files)];

const refuse = (problem: string): never => {
  throw new Error(`the PostgreSQL URL ${problem}`);
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse('has a % that encodes nothing: write %25 for a percent sign');
  }
};

const parseHost = (text: string): PostgresHost => {
  const [, v6, name, port = '5432'] = hostForm.exec(text) ?? refuse('needs host or host:port');
  if (Number(port) < 1 || Number(port) > 65_535) refuse('has a port that does not exist');
  return { host: v6 ?? name ?? '', port: Number(port) };
};

const parseHosts = (list: string, socket: string | undefined): PostgresHost[] => {
  if (socket === undefined) return list.split(',').map(parseHost);
  if (list !== '' || !socket.startsWith('/')) refuse('has either hosts or ?host=/directory');
  return [{ host: socket, port: 5432 }];
};

const parseSsl = (query: URLSearchParams, hosts: readonly PostgresHost[]) => {
  const isHere = hosts.every(({ host }) => host.startsWith('/') || isLoopback(host));
  const wanted = query.get('sslmode') ?? (isHere ? 'disable' : 'verify-full');
  const mode = modes.find((name) => name === wanted);
  if (mode === undefined) return refuse(`takes sslmode ${modes.join(', ')}`);
  const ssl: PostgresTarget['ssl'] = { mode };
  for (const [name, field] of Object.entries(files)) {
    const path = query.get(name);
    if (path !== null) ssl[field] = path;
  }
  if ((ssl.cert === undefined) !== (ssl.key === undefined)) refuse('needs sslcert and sslkey both');
  return ssl;
};

/** Throws an Error that says what is wrong. */
export const parsePostgresUrl = (url: string): PostgresTarget => {
  const [, user = '', password, list = '', database = '', text = ''] =
    form.exec(url) ?? refuse('must be postgres://user:password@host:port/database');
  const query = new URLSearchParams(text);
  for (const name of query.keys())
    if (!parameters.includes(name)) refuse(`takes only the parameters ${parameters.join(', ')}`);
  const hosts = parseHosts(list, query.get('host') ?? undefined);
  return {
    hosts,
    user: decode(user),
    password: password === undefined ? undefined : decode(password),
    database: decode(database),
    ssl: parseSsl(query, hosts),
  };
};
