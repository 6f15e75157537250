/**
 * yescrypt and gost-yescrypt, as the system's crypt(3) computes them. The digest is the text that
 * stands in the record. One lane, one pass and no ROM: what `passwd` and every `crypt_gensalt` write.
 */
import { isLibcryptHere } from '../libcrypt.js';
import { defaultHashNs, defineKind } from './recipe.js';
import { isScryptSize, scryptMemory } from './scrypt.js';

type Yescrypt = { f: string; ln: number; r: number; salt: Uint8Array };

const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Up to 48 a number is one character; larger ones are beyond all limits. */
const maxOneChar = 48;
const nsPerBlock = 100;

/** 1..48, or undefined: a longer spelling, which only larger numbers have. */
export const readYescryptNumber = (char: string): number | undefined => {
  const at = alphabet.indexOf(char);
  return char.length === 1 && at >= 0 && at < maxOneChar ? at + 1 : undefined;
};

/** What crypt(3) takes: everything but the digest. `j` are yescrypt's own defaults. */
const settingOf = ({ f, ln, r, salt }: Yescrypt): string =>
  `$${f}$j${alphabet[ln - 1]}${alphabet[r - 1]}$${Buffer.from(salt).toString('latin1')}`;

export const yescrypt = defineKind<Yescrypt>({
  id: 'yescrypt',
  fields: { f: 'word', ln: 'int', r: 'int', salt: 'bytes' },
  isWithinLimits: ({ f, ln, r, salt }, bytes) =>
    ['y', 'gy'].includes(f) &&
    isScryptSize({ ln, r, p: 1 }) &&
    /^[./0-9A-Za-z]{0,64}$/.test(Buffer.from(salt).toString('latin1')) &&
    bytes === 43,
  lacks: () => (isLibcryptHere() ? undefined : 'library'),
  cost: ({ f, ln, r }) => ({
    key: `${f}escrypt/${ln}/${r}`,
    relative: (2 ** ln * r * nsPerBlock) / defaultHashNs,
    bytes: scryptMemory({ ln, r }),
  }),
  securityClass: (params) => (scryptMemory(params) >= 16 * 1024 * 1024 ? 'A' : 'B'),
  derive: (params, password, { bytes, tools }) => {
    const setting = settingOf(params);
    const text = tools.crypt(password, setting);
    // A password that crypt(3) cannot take was never the right one: zeros are no digest.
    if (text === undefined) return new Uint8Array(bytes);
    return Buffer.from(text.slice(setting.length + 1), 'latin1');
  },
});
