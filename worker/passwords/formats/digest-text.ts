/** What the spellings of fast digests share: the pieces read and joined into a recipe. */
import { digestBytes } from '../recipes/fast-hash.js';
import type { Options, Parsed, ParseProblem } from './format.js';
import { readHex, readPaddedBase64 } from './strict.js';

/** The functions that an import may declare as `alg`. */
export const readAlg = (options: Options): string | undefined =>
  /^(md[45]|sha(1|224|256|384|512))$/.test(options.alg ?? '') ? options.alg : undefined;

/** A digest in the encoding that is declared: hex, which is the default, or base64. */
export const readEncoded = (text: string, encoding = 'hex'): Buffer | undefined | 'hash_option' => {
  if (encoding === 'hex') return readHex(text);
  return encoding === 'base64' ? readPaddedBase64(text) : 'hash_option';
};

/** A salt: the text itself, unless `salt-encoding` says hex or base64. */
export const readSalt = (text: string, options: Options) => {
  const { 'salt-encoding': encoding = 'utf8' } = options;
  return encoding === 'utf8'
    ? Buffer.from(text)
    : (readEncoded(text, encoding) ?? 'hash_malformed:salt');
};

/** The recipe with its digest, if that has the full length of its function. */
export const joinDigest = (
  recipe: Parsed['recipe'],
  digest: Uint8Array | ParseProblem | undefined,
): Parsed | ParseProblem => {
  if (digest === undefined) return 'hash_malformed:digest';
  if (typeof digest === 'string') return digest;
  const { alg } = recipe.params;
  if (typeof alg !== 'string' || digest.length !== digestBytes(alg)) return 'hash_length';
  return { recipe, digest };
};

const noSalt = Buffer.alloc(0);

/** A recipe of the kind `digest`. */
export const digestRecipe = (alg: string, o: string, salt: Uint8Array = noSalt) => ({
  kind: 'digest',
  params: { alg, o, salt },
});

/** A recipe of the kind `hmac`; `key`: an id of the key ring. */
export const hmacRecipe = (alg: string, o: string, salt: Uint8Array = noSalt, key = '-') => ({
  kind: 'hmac',
  params: { alg, o, salt, key },
});
