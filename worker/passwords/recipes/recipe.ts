/**
 * How a stored digest was computed: the kind of function and its parameters, apart from the spelling
 * in which some product wrote them down. A format (`../formats/`) turns a stored string into a recipe
 * and a digest; everything after that (limits, cost, strength, computing, wrapping) looks only at the
 * recipe. Parameters are flat and plain, so a recipe can be sent to a thread and written as text.
 */

/**
 * A memory-hard at OWASP's level · B slow, not memory-hard · C slow but weak · D one fast pass, salted
 * or keyed · E one fast pass, no salt.
 */
export type SecurityClass = 'A' | 'B' | 'C' | 'D' | 'E';

/** `relative` is time against a hash with the default parameters; equal keys cost the same. */
export type Cost = { key: string; relative: number; bytes: number };

/** What a default hash takes here (19 MiB, two passes): `Cost.relative` is counted in it. */
export const defaultHashNs = 9_600_000;

export type Params = Readonly<Record<string, number | string | Uint8Array>>;
export type Recipe = { readonly kind: string; readonly params: Params };

/** Secrets by key id; a recipe names in its `key` parameters which of them it needs. */
export type Keys = Readonly<Record<string, Uint8Array>>;

/** Functions of native packages, which only the thread's code imports. */
export type Tools = {
  argon2: (password: Uint8Array, options: Argon2Options) => Uint8Array;
  /** The 23 digest bytes of bcrypt; the password is cut to 72 bytes, as everywhere. */
  bcrypt: (password: Uint8Array, cost: number, salt: Uint8Array) => Uint8Array;
  /** crypt(3); undefined for a password that it cannot take. Throws where the library is missing. */
  crypt: (password: Uint8Array, setting: string) => string | undefined;
};
export type Argon2Options = {
  variant: string;
  version: number;
  memoryKiB: number;
  passes: number;
  lanes: number;
  salt: Uint8Array;
  bytes: number;
  secret?: Uint8Array;
};

/** word: `[a-z0-9-]{1,32}` · key: an id of the key ring, `-` for none. */
export type FieldType = 'int' | 'word' | 'bytes' | 'key';

/** One verify; `bytes` is the digest's length. */
export type Attempt = { password: string | Uint8Array; keys: Keys; bytes: number };

type KindOf<P extends Params> = {
  id: string;
  /** In the order in which they are written. */
  fields: Readonly<Record<keyof P & string, FieldType>>;
  /** Checked at import and again before every verify; `bytes` is the digest's length. */
  isWithinLimits: (params: P, bytes: number) => boolean;
  /**
   * What is missing here to compute it: a library, or the right key. Asked when a record is read and,
   * with what is `given`, before a verify: the thread must not be the first to notice.
   */
  lacks?: (params: P, given?: Attempt) => 'library' | 'key' | undefined;
  /** Are there bytes of this password that make no difference? bcrypt's limit of 72 is not meant. */
  ignores?: (params: P, password: Uint8Array) => boolean;
  cost: (params: P, bytes: number) => Cost;
  securityClass: (params: P) => SecurityClass;
  /** Ids of keys besides those in the fields: of a recipe inside this one. */
  innerKeyIds?: (params: P) => string[];
  /** Runs in the thread, on bounded parameters; the result has `bytes` bytes. */
  derive: (
    params: P,
    password: Uint8Array,
    given: { bytes: number; keys: Keys; tools: Tools },
  ) => Uint8Array;
};
export type Kind = KindOf<Params>;

const isOfType = (value: unknown, type: FieldType): boolean => {
  if (type === 'bytes') return value instanceof Uint8Array;
  return typeof value === (type === 'int' ? 'number' : 'string');
};

/** Ties the steps of one kind together, so that the table can hold kinds of any parameters. */
export const defineKind = <P extends Params>(kind: KindOf<P>): Kind => {
  const types = Object.entries<FieldType>(kind.fields);
  const isOurs = (params: Params): params is P =>
    types.every(([name, type]) => isOfType(params[name], type));
  const ours = (params: Params): P => {
    if (!isOurs(params)) throw new Error(`these are not the parameters of ${kind.id}`);
    return params;
  };
  return {
    id: kind.id,
    fields: kind.fields,
    isWithinLimits: (params, bytes) => isOurs(params) && kind.isWithinLimits(params, bytes),
    lacks: (params, given) => kind.lacks?.(ours(params), given),
    ignores: (params, password) => kind.ignores?.(ours(params), password) ?? false,
    cost: (params, bytes) => kind.cost(ours(params), bytes),
    securityClass: (params) => kind.securityClass(ours(params)),
    innerKeyIds: (params) => kind.innerKeyIds?.(ours(params)) ?? [],
    derive: (params, password, given) => kind.derive(ours(params), password, given),
  };
};
