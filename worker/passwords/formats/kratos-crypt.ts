/** crypt(3) as Ory Kratos spells it: `$md5-crypt$`, `$sha256-crypt$`, `$sha512-crypt$`. */
import type { Format } from './format.js';
import { outside, shifted } from './malformed.js';
import { md5Crypt } from './md5-crypt.js';
import { shaCrypt } from './sha-crypt.js';

const prefix = /^\$(md5|sha256|sha512)-crypt\$/;
const ids: Readonly<Record<string, string>> = { md5: '$1$', sha256: '$5$', sha512: '$6$' };

export const kratosCrypt: Format = {
  id: 'kratos-crypt',
  identify: (stored) => prefix.test(stored),
  parse: (text, options) => {
    const id = ids[prefix.exec(text)?.[1] ?? ''];
    if (id === undefined) return outside(prefix, text);
    const inner = text.replace(prefix, () => id);
    const parsed = (id === '$1$' ? md5Crypt : shaCrypt).parse(inner, options);
    return shifted(parsed, text.length - inner.length);
  },
};
