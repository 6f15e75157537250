/**
 * What is never a hash, however it is declared: passwords stored as they are, and the marks by which
 * products say that an account has no password.
 */
import type { Format } from './format.js';

/** Spring's `{noop}`, LDAP's `{CLEARTEXT}`, werkzeug's `plain$$`. */
export const isPlaintext = (text: string): boolean =>
  /^(\{(noop|clear|cleartext|plain)\}|plain\$)/i.test(text);

/** Nothing, Django's `!…`, and what stands in shadow files and htpasswd for a locked account. */
export const isUnusable = (text: string): boolean =>
  /^(|!.*|\*|x|\*(LK|NP)\*?|\*[01])$/.test(text) || /^\{CRYPT\}(|!.*|\*.*|x)$/i.test(text);

export const never: readonly Format[] = [
  { id: 'plaintext', identify: isPlaintext, parse: () => 'hash_plaintext' },
  { id: 'unusable', identify: isUnusable, parse: () => 'hash_unusable' },
];
