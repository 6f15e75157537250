/** PBKDF2 in the spellings of many products; those of passlib and Django have files of their own. */
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readAb64, readBase64, readDecimal, readHex, readPaddedBase64 } from './strict.js';

/**
 * Kratos: `$pbkdf2-sha256$i=100000,l=32$salt$digest`. Its sha224 and sha384 are SHA-3, so that these
 * two have to be declared; what it does not know it computes with SHA-256, which is refused here.
 */
const kratosGrammar =
  /^\$pbkdf2-(sha1|sha224|sha256|sha384|sha512)\$i=(\d{1,10}),l=(\d{1,4})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/;
const kratosNames: Readonly<Record<string, string>> = { sha224: 'sha3-224', sha384: 'sha3-384' };

const kratos: Format = {
  id: 'pbkdf2-kratos',
  identify: (stored) => /^\$pbkdf2-sha(1|256|512)\$i=/.test(stored),
  parse: (stored) => {
    const match = kratosGrammar.exec(stored);
    if (match === null) return outside(kratosGrammar, stored);
    const [, name = '', iterations = '', length = '', salt = '', digest = ''] = match;
    const bytes = readDecimal(length);
    if (bytes === undefined) return 'hash_malformed:length';
    const prf = kratosNames[name] ?? name;
    return joinPbkdf2(prf, iterations, readBase64(salt), readBase64(digest), bytes);
  },
};

/** OpenLDAP and passlib: `{PBKDF2-SHA256}10000$salt$digest` in ab64; no name means SHA-1. */
const ldapGrammar =
  /^\{PBKDF2(?:-(SHA1|SHA224|SHA256|SHA384|SHA512))?\}(\d{1,10})\$([A-Za-z0-9./]{0,86})\$([A-Za-z0-9./]{1,86})$/i;

const ldap: Format = {
  id: 'pbkdf2-ldap',
  // Spring's `{pbkdf2}` is followed by hexadecimal digits only.
  identify: (stored) => /^\{PBKDF2(-SHA(1|224|256|384|512))?\}\d+\$/i.test(stored),
  parse: (stored) => {
    const match = ldapGrammar.exec(stored);
    if (match === null) return outside(ldapGrammar, stored);
    const [, prf = 'sha1', iterations = '', salt = '', digest = ''] = match;
    return joinPbkdf2(prf.toLowerCase(), iterations, readAb64(salt), readAb64(digest));
  },
};

/**
 * werkzeug: `pbkdf2:sha256:600000$salt$hex`, the salt being the text itself. Without a number the
 * default of the release that wrote it counts, which the option `iterations` has to tell.
 */
const werkzeugGrammar =
  /^pbkdf2:(sha1|sha224|sha256|sha384|sha512)(?::(\d{1,10}))?\$([\x21-\x23\x25-\x7e]{1,64})\$([0-9a-f]{1,128})$/;

const werkzeug: Format = {
  id: 'pbkdf2-werkzeug',
  identify: (stored) => /^pbkdf2:sha\d+:\d+\$/.test(stored),
  parse: (stored, options) => {
    const match = werkzeugGrammar.exec(stored);
    if (match === null) return outside(werkzeugGrammar, stored);
    const [, prf = '', written, salt = '', digest = ''] = match;
    const iterations = written ?? options.iterations;
    if (iterations === undefined || readDecimal(iterations) === undefined) return 'hash_option';
    return joinPbkdf2(prf, iterations, Buffer.from(salt), readHex(digest));
  },
};

/** Atlassian: `{PKCS5S2}` and the base64 of 16 bytes of salt and 32 of digest. */
const atlassianGrammar = /^\{PKCS5S2\}([A-Za-z0-9+/=]+)$/;

const atlassian: Format = {
  id: 'pbkdf2-atlassian',
  identify: (stored) => stored.startsWith('{PKCS5S2}'),
  parse: (stored) => {
    const match = atlassianGrammar.exec(stored);
    if (match === null) return outside(atlassianGrammar, stored);
    const bytes = readPaddedBase64(match[1] ?? '');
    if (bytes === undefined) return 'hash_malformed:digest';
    if (bytes.length !== 48) return 'hash_length';
    return joinPbkdf2('sha1', '10000', bytes.subarray(0, 16), bytes.subarray(16), 32);
  },
};

/** hashcat's, and a common way to write it down: `sha256:1000:salt:digest` in base64. */
const hashcatGrammar =
  /^(sha1|sha256|sha512):(\d{1,10}):([A-Za-z0-9+/=]{1,88}):([A-Za-z0-9+/=]{22,88})$/;

const hashcat: Format = {
  id: 'pbkdf2-hashcat',
  parse: (stored) => {
    const match = hashcatGrammar.exec(stored);
    if (match === null) return outside(hashcatGrammar, stored);
    const [, prf = '', iterations = '', salt = '', text = ''] = match;
    const digest = readPaddedBase64(text);
    // Of any length there; the limit of 16 bytes holds.
    return joinPbkdf2(prf, iterations, readPaddedBase64(salt), digest, digest?.length);
  },
};

/** web2py: `pbkdf2(1000,20,sha512)$salt$hex`, with the digest's length in the record. */
const web2pyGrammar =
  /^pbkdf2\((\d{1,10}),(\d{1,3}),(sha1|sha224|sha256|sha384|sha512)\)\$([\x21-\x23\x25-\x7e]{1,64})\$([0-9a-f]{1,128})$/;

const web2py: Format = {
  id: 'web2py-pbkdf2',
  identify: (stored) => /^pbkdf2\(\d+,\d+,sha\d+\)\$/.test(stored),
  parse: (stored) => {
    const match = web2pyGrammar.exec(stored);
    if (match === null) return outside(web2pyGrammar, stored);
    const [, iterations = '', length = '', prf = '', salt = '', digest = ''] = match;
    const bytes = readDecimal(length);
    if (bytes === undefined) return 'hash_malformed:length';
    return joinPbkdf2(prf, iterations, Buffer.from(salt), readHex(digest), bytes);
  },
};

export const pbkdf2Formats: readonly Format[] = [
  ...[kratos, ldap, werkzeug],
  ...[atlassian, hashcat, web2py],
];
