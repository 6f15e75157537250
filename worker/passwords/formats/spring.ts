/**
 * Spring Security's DelegatingPasswordEncoder: `{id}` in front of what the encoder of that name wrote.
 * The names look like LDAP schemes and mean other spellings, so `spring` has to be declared. PBKDF2 and
 * scrypt have the parameters of Spring's defaults, of releases before 5.8 and since.
 */
import { argon2 } from './argon2.js';
import { parseBcrypt } from './bcrypt.js';
import type { Format, Parsed, ParseProblem } from './format.js';
import { outside, shifted } from './malformed.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { joinScrypt } from './scrypt.js';
import { readSpringDigest } from './spring-digest.js';
import { readHex, readPaddedBase64 } from './strict.js';

type Parse = (text: string) => Parsed | ParseProblem;

/** Hexadecimal digits of salt and 32 bytes of digest. */
const pbkdf2 =
  (prf: string, iterations: number, saltBytes: number): Parse =>
  (text) => {
    const bytes = readHex(text);
    if (bytes === undefined || bytes.length === 0) return 'hash_malformed:digest';
    if (bytes.length !== saltBytes + 32) return 'hash_length';
    const [salt, digest] = [bytes.subarray(0, saltBytes), bytes.subarray(saltBytes)];
    return joinPbkdf2(prf, String(iterations), salt, digest, 32);
  };

const scryptGrammar =
  /^\$([0-9a-f]{1,2})([0-9a-f]{2})([0-9a-f]{2})\$([A-Za-z0-9+/=]{4,88})\$([A-Za-z0-9+/=]{4,88})$/;

/** `$e0801$salt$digest`: the logarithm of N, r and p in one hexadecimal number. */
const scrypt: Parse = (text) => {
  const match = scryptGrammar.exec(text);
  if (match === null) return outside(scryptGrammar, text);
  const [ln = 0, r = 0, p = 0] = match.slice(1, 4).map((hex) => Number.parseInt(hex, 16));
  const [, , , , salt = '', digest = ''] = match;
  return joinScrypt({ ln, r, p }, readPaddedBase64(salt), readPaddedBase64(digest), 32);
};

const phc: Parse = (text) => (text.startsWith('$') ? argon2.parse(text, {}) : 'hash_malformed:1');

const encoders: Readonly<Record<string, Parse>> = {
  bcrypt: (text) => parseBcrypt(text),
  pbkdf2: pbkdf2('sha1', 185_000, 8),
  'pbkdf2@SpringSecurity_v5_8': pbkdf2('sha256', 310_000, 16),
  scrypt,
  'scrypt@SpringSecurity_v5_8': scrypt,
  argon2: phc,
  'argon2@SpringSecurity_v5_8': phc,
  noop: () => 'hash_plaintext',
};

export const spring: Format = {
  id: 'spring',
  parse: (stored) => {
    const [, id = '', text = ''] = /^\{([^{}]{1,32})\}(.*)$/s.exec(stored) ?? [];
    const parse = Object.hasOwn(encoders, id) ? encoders[id] : undefined;
    return parse === undefined
      ? readSpringDigest(stored)
      : shifted(parse(text), stored.length - text.length);
  },
};
