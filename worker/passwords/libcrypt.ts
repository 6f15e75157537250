/**
 * The system's crypt(3): yescrypt and gost-yescrypt, which nobody has written for Node, and bcrypt's
 * `$2x$` for passwords beyond ASCII. Where the package `koffi` or the library is missing, hashes that need
 * it are refused when they are read. Loaded at the first use, in each thread of its own.
 */
import { openLibrary } from '../native-library.js';
import { lazily } from './lazily.js';

type Call = (phrase: Buffer, setting: string, data: Buffer, size: number) => unknown;

/** What the library keeps its state in; the memory of yescrypt comes on top. */
const dataBytes = 32_768;

const maxPhraseBytes = 511;

const run = (call: Call, phrase: Uint8Array, setting: string): unknown =>
  call(Buffer.concat([phrase, Buffer.alloc(1)]), setting, Buffer.alloc(dataBytes), dataBytes);

/** A C library without yescrypt must not answer "no" to everybody. */
const known = ['$y$j75$.......', 'Azb4unskovkivqV5L2S5ovdEGpbGNKmfaJnP.BqXgm3'] as const;

const open = (file: string): Call | undefined => {
  try {
    const call = openLibrary<Call>(file).func(
      'char *crypt_rn(const char *phrase, const char *setting, void *data, int size)',
    );
    return run(call, Buffer.from('a'), known[0]) === known.join('$') ? call : undefined;
  } catch {
    return undefined;
  }
};

const load = lazily((): Call | undefined => open('libcrypt.so.1') ?? open('libcrypt.so.2'));

/** Loads it with the first question. */
export const isLibcryptHere = (): boolean => load() !== undefined;

/**
 * The crypt string of a password, or undefined for one that crypt(3) cannot take: with a NUL inside
 * (it would end there), or of more than 511 bytes. Throws where the library is missing, or does not
 * know the function.
 */
export const libcrypt = (password: Uint8Array, setting: string): string | undefined => {
  const call = load();
  if (call === undefined) throw new Error('koffi or libcrypt is missing');
  if (password.includes(0) || password.length > maxPhraseBytes) return undefined;
  const text = run(call, password, setting);
  if (typeof text === 'string' && text.startsWith(setting)) return text;
  throw new Error('libcrypt does not know this function');
};
