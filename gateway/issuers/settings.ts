/**
 * The setting EXTERNAL_ISSUERS: a JSON list of the issuers whose tokens `/v1/verify` accepts beside our
 * own. An entry has either a `jwks_url` (tokens are JWTs, checked here) or an `introspection_url` (the
 * issuer is asked, RFC 7662). Every problem is reported by its place in the list; values are never
 * repeated, because they may be secrets.
 */
import { type ForeignAlg, foreignAlgs, isForeignAlg } from './algorithms.js';
import { type Entry, type IssuerEnv, readEntry } from './settings-entry.js';

type Common = {
  /** Stands in `ext:<name>:<sub>`. */
  readonly name: string;
  /** The exact `iss`. */
  readonly issuer: string;
  readonly scopePrefix: string;
};
export type JwksIssuer = Common & {
  readonly kind: 'jwks';
  readonly audience: readonly string[];
  readonly jwksUrl: string;
  readonly algorithms: readonly ForeignAlg[];
  /** `at+jwt` as in RFC 9068, or `JWT`: also tokens of the type JWT, or of none. */
  readonly typ: 'at+jwt' | 'JWT';
};
export type IntrospectionIssuer = Common & {
  readonly kind: 'introspection';
  /** Empty: the answer's audience is not looked at. */
  readonly audience: readonly string[];
  readonly introspectionUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientAuth: 'basic' | 'post';
  /** Opaque tokens that begin so are this issuer's; without it, all that nobody else claims. */
  readonly tokenPrefix: string | undefined;
};
export type IssuerSettings = JwksIssuer | IntrospectionIssuer;

const maxIssuers = 20;
/** One algorithm per kind of key: an RSA key without `alg` must not be good for two of them. */
const defaultAlgorithms: readonly ForeignAlg[] = ['RS256', 'ES256', 'EdDSA', 'Ed25519'];

const fieldsOf = {
  common: ['name', 'issuer', 'audience', 'scope_prefix'],
  jwks: ['jwks_url', 'algorithms', 'typ'],
  introspection: [
    'introspection_url',
    'client_id',
    'client_secret',
    'client_secret_file',
    'client_auth',
    'token_prefix',
  ],
};
type Kind = 'jwks' | 'introspection';

/** Names of hosts are fine; what a host cannot be called needs a name of its own. */
const defaultName = (issuer: string): string | undefined =>
  URL.canParse(issuer) ? new URL(issuer).hostname : undefined;

const readName = (entry: Entry, issuer: string): string => {
  const name = entry.text('name') ?? defaultName(issuer) ?? '';
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(name))
    entry.complain('name', 'must be up to 63 of a-z 0-9 . - and begin with a letter or digit.');
  return name;
};

const readAudience = (entry: Entry, isRequired: boolean): string[] => {
  if (isRequired && !entry.has('audience')) entry.complain('audience', 'is missing.');
  return entry.texts('audience') ?? [];
};

const readCommon = (entry: Entry): Common => {
  const issuer = entry.required('issuer');
  if (issuer !== '' && !/^[\x21-\x7e]{1,256}$/.test(issuer))
    entry.complain('issuer', 'must be the exact iss: up to 256 characters of ASCII, no space.');
  const name = readName(entry, issuer);
  const scopePrefix = entry.text('scope_prefix') ?? `ext:${name}:`;
  // What may stand in a scope (RFC 6749 § 3.3).
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{0,100}$/.test(scopePrefix))
    entry.complain('scope_prefix', 'must be up to 100 characters of a scope.');
  return { name, issuer, scopePrefix };
};

const readAlgorithms = (entry: Entry): ForeignAlg[] => {
  const named = entry.texts('algorithms') ?? [...defaultAlgorithms];
  const known = named.filter(isForeignAlg);
  if (known.length < named.length)
    entry.complain('algorithms', `must be a list of ${foreignAlgs.join(', ')}.`);
  return known;
};

const readJwks = (entry: Entry): JwksIssuer => ({
  kind: 'jwks',
  ...readCommon(entry),
  audience: readAudience(entry, true),
  jwksUrl: entry.url('jwks_url'),
  algorithms: readAlgorithms(entry),
  typ: entry.oneOf('typ', ['at+jwt', 'JWT'] as const),
});

const readIntrospection = (entry: Entry): IntrospectionIssuer => {
  const tokenPrefix = entry.text('token_prefix');
  if (tokenPrefix !== undefined && !/^[\w\-.~+/]{1,64}$/.test(tokenPrefix))
    entry.complain('token_prefix', 'must be 1 to 64 characters of a bearer token.');
  return {
    kind: 'introspection',
    ...readCommon(entry),
    audience: readAudience(entry, false),
    introspectionUrl: entry.url('introspection_url'),
    clientId: entry.required('client_id'),
    clientSecret: entry.secret('client_secret'),
    clientAuth: entry.oneOf('client_auth', ['basic', 'post'] as const),
    tokenPrefix,
  };
};

const kindOf = (entry: Entry): Kind | undefined => {
  if (entry.has('jwks_url') !== entry.has('introspection_url'))
    return entry.has('jwks_url') ? 'jwks' : 'introspection';
  entry.complain('', 'needs jwks_url or introspection_url, and not both.');
  return undefined;
};

const checkFields = (entry: Entry, kind: Kind) => {
  const other = kind === 'jwks' ? 'introspection' : 'jwks';
  for (const field of entry.names()) {
    if (fieldsOf[other].includes(field)) entry.complain(field, `goes with ${other}_url only.`);
    else if (![...fieldsOf.common, ...fieldsOf[kind]].includes(field))
      entry.complain(field, 'is not a setting of an issuer.');
  }
};

const readIssuer = (value: unknown, at: number, env: IssuerEnv): IssuerSettings | undefined => {
  const entry = readEntry(value, at, env);
  const kind = entry && kindOf(entry);
  if (entry === undefined || kind === undefined) return undefined;
  checkFields(entry, kind);
  return kind === 'jwks' ? readJwks(entry) : readIntrospection(entry);
};

/** What must differ between the issuers, and where an opaque token could go two ways. */
const checkTogether = (all: readonly (IssuerSettings | undefined)[], own: string, env: IssuerEnv) =>
  all.forEach((one, at) => {
    if (one === undefined) return;
    const say = (text: string) => env.complain(`EXTERNAL_ISSUERS[${at}]${text}`);
    const earlier = all.slice(0, at).filter((other) => other !== undefined);
    if (one.issuer === own) say('.issuer is the ISSUER of this gateway.');
    if (earlier.some((other) => other.issuer === one.issuer)) say('.issuer is in the list twice.');
    if (earlier.some((other) => other.name === one.name)) say('.name is taken: set another one.');
    if (one.kind !== 'introspection') return;
    const prefix = one.tokenPrefix ?? '';
    const rivals = earlier.filter((other) => other.kind === 'introspection');
    if (rivals.some((other) => (other.tokenPrefix ?? '') === prefix))
      say('.token_prefix must differ: an opaque token is shown to one issuer only.');
  });

const parseList = (text: string): unknown[] | undefined => {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.length <= maxIssuers ? list : undefined;
  } catch {
    // The error would quote the text.
    return undefined;
  }
};

/** Problems are left with `env`. `own` is the ISSUER of this gateway. */
export const readIssuers = (
  env: IssuerEnv,
  text: string | undefined,
  own: string,
): readonly IssuerSettings[] => {
  if (text === undefined) return [];
  const list = parseList(text);
  if (list === undefined)
    env.complain(`EXTERNAL_ISSUERS must be a JSON list of at most ${maxIssuers} issuers.`);
  const issuers = (list ?? []).map((value, at) => readIssuer(value, at, env));
  checkTogether(issuers, own, env);
  return issuers.filter((one) => one !== undefined);
};
