/**
 * argon2 in PHC spelling: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag` (RFC 9106, phc-sf-spec), also in
 * the parameter order m,p,t that npm `argon2` wrote, and Django's with `argon2` in front.
 * No `v=` means version 16. `keyid` and `data` are refused: our library would verify without the key.
 */
import { type Cost, defineFormat } from './format.js';
import { readBase64, readDecimal } from './strict.js';

type Argon2 = {
  variant: string;
  version: number;
  memoryKiB: number;
  passes: number;
  lanes: number;
  saltBytes: number;
  tagBytes: number;
  /** The same record in the one spelling that the library gets to see. */
  canonical: string;
};

const maxMemoryKiB = 256 * 1024;
const maxTotalKiB = 1024 * 1024;
const minSaltBytes = 16;
const minTagBytes = 32;

const grammar =
  /^(?:argon2)?\$argon2(id|i|d)(?:\$v=(16|19))?\$m=(\d+),(?:t=(\d+),p=(\d+)|p=(\d+),t=(\d+))\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

const parse = (stored: string): Argon2 | undefined => {
  const match = grammar.exec(stored);
  if (match === null) return undefined;
  const [
    ,
    variant = '',
    v = '16',
    m = '',
    t,
    p,
    pSwapped = '',
    tSwapped = '',
    salt = '',
    tag = '',
  ] = match;
  const memoryKiB = readDecimal(m);
  const passes = readDecimal(t ?? tSwapped);
  const lanes = readDecimal(p ?? pSwapped);
  const saltBytes = readBase64(salt)?.length;
  const tagBytes = readBase64(tag)?.length;
  if (memoryKiB === undefined || passes === undefined || lanes === undefined) return undefined;
  if (saltBytes === undefined || tagBytes === undefined) return undefined;
  if (saltBytes < 8 || tagBytes < 16 || lanes < 1 || memoryKiB < 8 * lanes) return undefined;
  const canonical = `$argon2${variant}$v=${v}$m=${memoryKiB},t=${passes},p=${lanes}$${salt}$${tag}`;
  const version = Number(v);
  return { variant, version, memoryKiB, passes, lanes, saltBytes, tagBytes, canonical };
};

/** What a hash with these parameters costs; the default (19 MiB, two passes) has `relative` 1. */
export const argon2Cost = (memoryKiB: number, passes: number): Cost => ({
  key: `argon2/${memoryKiB}/${passes}`,
  relative: (memoryKiB * passes) / (19_456 * 2),
  bytes: memoryKiB * 1024,
});

export const argon2 = defineFormat<Argon2>({
  id: 'argon2',
  identify: (stored) => stored.startsWith('$argon2') || stored.startsWith('argon2$argon2'),
  parse,
  isWithinLimits: ({ memoryKiB, passes, lanes }) =>
    passes >= 1 &&
    passes <= 10 &&
    lanes <= 16 &&
    memoryKiB <= maxMemoryKiB &&
    memoryKiB * passes <= maxTotalKiB,
  cost: ({ memoryKiB, passes }) => argon2Cost(memoryKiB, passes),
  verify: ({ canonical }, password) => ['argon2', canonical, password],
  needsRehash: (hash, target) =>
    hash.variant !== 'id' ||
    hash.version < 19 ||
    hash.memoryKiB < target.memoryKiB ||
    hash.passes < target.passes ||
    hash.saltBytes < minSaltBytes ||
    hash.tagBytes < minTagBytes,
});
