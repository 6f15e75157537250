/**
 * bcrypt over something other than the password. passlib, Django and WordPress mark such records; a
 * hash of the password in hexadecimal and a pepper (Devise) do not show in the string, which looks like
 * any bcrypt, so these must be declared. passlib's and Django's "bcrypt sha256" are not the same.
 */
import { isKeyId } from '../keys.js';
import { parseBcrypt } from './bcrypt.js';
import type { Format } from './format.js';
import { outside, shifted } from './malformed.js';

/** Version 1: `$bcrypt-sha256$2a,5$salt$digest`. Version 2: `$bcrypt-sha256$v=2,t=2b,r=5$salt$digest`. */
const passlibGrammar =
  /^\$bcrypt-sha256\$(?:(2[aby]),([1-9][0-9]?)|v=2,t=(2[aby]),r=([1-9][0-9]?))\$([^$]{22})\$([^$]{31})$/;

const passlib: Format = {
  id: 'bcrypt-sha256',
  identify: (stored) => stored.startsWith('$bcrypt-sha256$'),
  parse: (stored) => {
    const match = passlibGrammar.exec(stored);
    if (match === null) return outside(passlibGrammar, stored);
    const [, minor1, cost1, minor2, cost2 = '', salt = '', digest = ''] = match;
    const cost = (cost1 ?? cost2).padStart(2, '0');
    const plain = `$${minor1 ?? minor2}$${cost}$${salt}${digest}`;
    return parseBcrypt(plain, minor1 === undefined ? 'hmac256b64' : 'sha256b64');
  },
};

const djangoGrammar = /^bcrypt(_sha256)?\$(\$2[aby]\$.*)$/;

const django: Format = {
  id: 'bcrypt-django',
  identify: (stored) => /^bcrypt(_sha256)?\$\$2/.test(stored),
  parse: (stored) => {
    const match = djangoGrammar.exec(stored);
    if (match === null) return outside(djangoGrammar, stored);
    const [, sha256, plain = ''] = match;
    const parsed = parseBcrypt(plain, sha256 === undefined ? '-' : 'sha256hex');
    return shifted(parsed, stored.length - plain.length);
  },
};

const wordpressGrammar = /^\$wp(\$2y\$.*)$/;

const wordpress: Format = {
  id: 'wordpress-bcrypt',
  identify: (stored) => stored.startsWith('$wp$'),
  parse: (stored) => {
    const match = wordpressGrammar.exec(stored);
    if (match === null) return outside(wordpressGrammar, stored);
    return shifted(parseBcrypt(match[1] ?? '', 'wordpress'), 3);
  },
};

/** Option `prehash`: whose hexadecimal digits, in lower case, were given to bcrypt. */
const prehashed: Format = {
  id: 'bcrypt-prehash',
  parse: (stored, { prehash = '' }) =>
    /^(md5|sha1|sha256|sha512)hex$/.test(prehash) ? parseBcrypt(stored, prehash) : 'hash_option',
};

/** Option `key`: the id of the pepper in the key ring; without one it is plain bcrypt. */
const devise: Format = {
  id: 'devise',
  parse: (stored, { key }) => {
    if (key === undefined) return parseBcrypt(stored);
    return isKeyId(key) ? parseBcrypt(stored, 'pepper', key) : 'hash_option';
  },
};

export const bcryptFormats: readonly Format[] = [passlib, django, wordpress, prehashed, devise];
