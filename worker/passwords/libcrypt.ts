/**
 * The system's crypt(3), through the optional package `koffi`: yescrypt and gost-yescrypt, which nobody
 * has written for Node, and bcrypt's `$2x$` for passwords beyond ASCII. Where the package or the library
 * is missing, hashes that need it are refused when they are read. Loaded at the first use, in each
 * thread of its own. Owns koffi.
 */
import { createRequire } from 'node:module';

type Call = (phrase: Buffer, setting: string, data: Buffer, size: number) => unknown;
type Koffi = { load: (path: string) => { func: (prototype: string) => Call } };

/** What the library keeps its state in; the memory of yescrypt comes on top. */
const dataBytes = 32_768;

const load = (): Call | undefined => {
  try {
    const koffi: Koffi = createRequire(import.meta.url)('koffi');
    const library = koffi.load('libcrypt.so.1');
    return library.func(
      'char *crypt_rn(const char *phrase, const char *setting, void *data, int size)',
    );
  } catch {
    return undefined;
  }
};

let call: Call | undefined;
let isLoaded = false;

const loaded = (): Call | undefined => {
  if (!isLoaded) call = load();
  isLoaded = true;
  return call;
};

export const isLibcryptHere = (): boolean => loaded() !== undefined;

/**
 * The crypt string of a password, or undefined for one that crypt(3) cannot take: with a NUL inside
 * (it would end there), or of more than 511 bytes. Throws where the library is missing.
 */
export const libcrypt = (password: Uint8Array, setting: string): string | undefined => {
  const crypt = loaded();
  if (crypt === undefined) throw new Error('koffi or libcrypt.so.1 is missing');
  if (password.includes(0)) return undefined;
  const phrase = Buffer.concat([password, Buffer.alloc(1)]);
  const text = crypt(phrase, setting, Buffer.alloc(dataBytes), dataBytes);
  return typeof text === 'string' && text.startsWith(setting) ? text : undefined;
};
