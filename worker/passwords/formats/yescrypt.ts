/**
 * yescrypt (`$y$j9T$salt$digest`, the default of Debian and Fedora) and gost-yescrypt (`$gy$`). Only
 * what `passwd` and crypt_gensalt write: default flavour `j`, then the logarithm of N and r in one
 * character each, no further parameters. Computed by the system's library, where that is present.
 */
import { readYescryptNumber } from '../recipes/yescrypt.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';

const grammar =
  /^\$(y|gy)\$j([./0-9A-Za-z])([./0-9A-Za-z])\$([./0-9A-Za-z]{0,64})\$([./0-9A-Za-z]{43})$/;

const yescryptAs = (id: string, prefix: string): Format => ({
  id,
  identify: (stored) => stored.startsWith(prefix),
  parse: (stored) => {
    if (!stored.startsWith(prefix)) return 'hash_malformed:1';
    const match = grammar.exec(stored);
    if (match === null) return outside(grammar, stored);
    const [, f = '', n = '', rText = '', salt = '', digest = ''] = match;
    const ln = readYescryptNumber(n);
    const r = readYescryptNumber(rText);
    if (ln === undefined || r === undefined) return 'hash_limit';
    const params = { f, ln, r, salt: Buffer.from(salt) };
    return { recipe: { kind: 'yescrypt', params }, digest: Buffer.from(digest) };
  },
});

export const yescryptFormats: readonly Format[] = [
  yescryptAs('yescrypt', '$y$'),
  yescryptAs('gost-yescrypt', '$gy$'),
];
