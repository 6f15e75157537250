/**
 * A fast digest over a template of one's own, for what an application put together by hand: options
 * `alg`, `template` with `{SALT}` and `{PASSWORD}` in it, `salt` and `salt-encoding` (utf8, hex, base64),
 * `encoding` of the digest. `sha1(--salt--password--)` is sha1 with `--{SALT}--{PASSWORD}--`.
 */
import { joinDigest, readAlg, readEncoded, readSalt } from './digest-text.js';
import type { Format } from './format.js';

export const template: Format = {
  id: 'template',
  parse: (text, options) => {
    const alg = readAlg(options);
    const { template: written = '', encoding } = options;
    if (alg === undefined || !written.includes('{PASSWORD}')) return 'hash_option';
    const salt = readSalt(options.salt ?? '', options);
    if (typeof salt === 'string') return salt;
    if (written.includes('{SALT}') !== salt.length > 0) return 'hash_option';
    const recipe = { kind: 'template', params: { alg, pf: Buffer.from(written), salt } };
    return joinDigest(recipe, readEncoded(text, encoding));
  },
};
