/**
 * What a reverse proxy may demand of a token check, and how it is told who calls. Demands come from
 * the proxy's own configuration, as `headers=…&scope=…&client=…`: what is misspelt, empty or said twice
 * is refused, because a demand that goes unread would let everybody in. Answers have every header of
 * their dialect, made from verified claims only, with values that are safe in any header.
 */
import { AppError } from '../shared/errors.js';
import { type Reply, withHead } from '../shared/http.js';
import type { Claims } from './tokens/verify.js';

/**
 * Where an identity that is remembered keeps the answer of the default dialect: a repeated check then
 * builds nothing. (A WeakMap beside it costs more than building it anew.)
 */
const ready = Symbol('reply');
/** Who a token or a cookie stands for. */
export type Identity = Pick<Claims, 'sub' | 'sid' | 'scope' | 'clientId'> & { [ready]?: Reply };
type Dialect = (claims: Identity) => Record<string, string>;
export type Demand = {
  dialect: Dialect;
  /** All of them. */
  scopes: readonly string[];
  /** One of them; none = any client. */
  clients: readonly string[];
};

const maxParsed = 256;
/** RFC 6749 § 3.3; the same letters do for client ids. */
const words = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const isPlain = /^(?:[\x21-\x24\x26-\x7e]+(?: [\x21-\x24\x26-\x7e]+)*)?$/;

const encodeByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** Visible ASCII as it is, everything else (and `%`, and `extra`) as %XX of its UTF-8 bytes. */
const encode = (text: string, extra = ''): string => {
  // Two ill-formed ids would become the same bytes.
  if (!text.isWellFormed()) throw new AppError('token_invalid', { detail: 'ill-formed claim' });
  return [...Buffer.from(text)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      const isSafe = byte > 0x20 && byte < 0x7f && char !== '%' && !extra.includes(char);
      return isSafe ? char : encodeByte(byte);
    })
    .join('');
};

/** A header value that says exactly `text`. Inner single spaces stay: scopes have them. */
const safe = (text: string): string =>
  isPlain.test(text)
    ? text
    : text
        .split(' ')
        .map((part) => encode(part))
        .join('%20');

/** Scopes as the groups that other systems' headers have; no scope can pass for two. */
const groups = (scope: string, separator: string): string => {
  if (isPlain.test(scope) && !scope.includes(separator)) return scope.replaceAll(' ', separator);
  return scope
    .split(' ')
    .filter((name) => name !== '')
    .map((name) => encode(name, separator))
    .join(separator);
};

const plain: Dialect = ({ sub, sid, scope, clientId }) => ({
  'x-auth-user': safe(sub),
  'x-auth-session': safe(sid),
  'x-auth-scope': safe(scope),
  'x-auth-client': safe(clientId),
});

/** Those that are not our own: of Authelia, oauth2-proxy and authentik. */
const dialects = new Map<string, Dialect>([
  ['x-auth', plain],
  [
    'remote',
    ({ sub, scope }) => ({ 'remote-user': safe(sub), 'remote-groups': groups(scope, ',') }),
  ],
  [
    'x-auth-request',
    ({ sub, scope }) => ({
      'x-auth-request-user': safe(sub),
      'x-auth-request-groups': groups(scope, ','),
    }),
  ],
  [
    'x-authentik',
    ({ sub, scope }) => ({
      'x-authentik-username': safe(sub),
      'x-authentik-uid': safe(sub),
      'x-authentik-groups': groups(scope, '|'),
    }),
  ],
]);

/** What is demanded when nothing is: a valid token. */
export const noDemand: Demand = { dialect: plain, scopes: [], clients: [] };

const names = ['headers', 'scope', 'client'] as const;
type Name = (typeof names)[number];

const invalid = (field: Name) =>
  new AppError('bad_request', { reason: 'parameter_invalid', field });

const decodeValue = (name: Name, text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalid(name);
  }
};

const readParameters = (text: string): Map<Name, string> => {
  const given = new Map<Name, string>();
  for (const part of text.split('&')) {
    const [key, ...rest] = part.split('=');
    const name = names.find((known) => known === key);
    if (name === undefined) throw new AppError('bad_request', { reason: 'unknown_parameter' });
    if (given.has(name))
      throw new AppError('bad_request', { reason: 'duplicate_parameter', field: name });
    given.set(name, decodeValue(name, rest.join('=')));
  }
  return given;
};

const readWords = (name: Name, text: string | undefined): string[] => {
  if (text === undefined) return [];
  if (!words.test(text)) throw invalid(name);
  return text.split(' ');
};

const parseDemand = (text: string): Demand => {
  const given = readParameters(text);
  const found = dialects.get(given.get('headers') ?? 'x-auth');
  if (found === undefined) throw invalid('headers');
  return {
    dialect: found,
    scopes: readWords('scope', given.get('scope')),
    clients: readWords('client', given.get('client')),
  };
};

/** Throws bad_request for everything but well-formed, known, single parameters. */
export const createDemands = () => {
  const parsed = new Map<string, Demand>();
  return (text: string): Demand => {
    const known = parsed.get(text);
    if (known !== undefined) return known;
    const demand = parseDemand(text);
    // A proxy has a handful; only a flood of made-up ones comes this far.
    if (parsed.size >= maxParsed) parsed.clear();
    parsed.set(text, demand);
    return demand;
  };
};

const isMet = ({ scopes, clients }: Demand, { scope, clientId }: Identity): boolean => {
  const held = scope.split(' ');
  const isClient = clients.length === 0 || clients.includes(clientId);
  return isClient && scopes.every((name) => held.includes(name));
};

/** 200 with the headers of the dialect, or AppError insufficient_scope. */
export const replyTo = (claims: Identity, demand: Demand): Reply => {
  if (demand !== noDemand && !isMet(demand, claims))
    throw new AppError('insufficient_scope', { scope: demand.scopes.join(' ') });
  const { dialect } = demand;
  if (dialect !== plain) return { status: 200, headers: dialect(claims) };
  const known = claims[ready];
  if (known !== undefined) return known;
  const reply = withHead({ status: 200, headers: plain(claims) });
  // Not enumerable: a changed copy of an identity must not carry the answer of the first along.
  Object.defineProperty(claims, ready, { value: reply });
  return reply;
};
