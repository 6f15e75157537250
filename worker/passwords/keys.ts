/**
 * The key ring: secrets that belong to password records but never stand in them. Peppers of new
 * hashes, keys of wrapped records and what other systems kept beside their tables (signer keys,
 * peppers, HMAC keys) are named by a key id; the ring holds the bytes. A key leaves the ring only
 * when no record names it any more: without it, nobody can say whether a password is right.
 */
import { AppError } from '../../shared/errors.js';
import { readBase64, readPaddedBase64 } from './formats/strict.js';
import type { Keys } from './recipes/recipe.js';

export type KeyRing = ReturnType<typeof createKeyRing>;
export type Pepper = { id: string; bytes: Uint8Array };

const idForm = /^[a-z0-9][a-z0-9_-]{0,7}$/;
const maxBytes = 512;
/** Of keys that we ask for; what another system used is taken as it was. */
const minOwnBytes = 16;

const noKeys: Keys = {};

/** What may name a key in records and in PASSWORD_KEYS. */
export const isKeyId = (id: string): boolean => idForm.test(id) && id !== '0';

/** `id:base64`, several separated by commas or line ends; or what is wrong, without the secret. */
export const parseKeys = (text: string): Keys | string => {
  const keys: Record<string, Uint8Array> = {};
  for (const part of text.split(/[,\n]/).map((item) => item.trim())) {
    if (part === '') continue;
    const colon = part.indexOf(':');
    const id = part.slice(0, Math.max(0, colon));
    // In wrapped records 0 stands for "no key".
    if (!isKeyId(id)) return 'an id is a-z, 0-9, _ or -, at most 8 characters, and not "0"';
    if (Object.hasOwn(keys, id)) return `the id ${id} appears twice`;
    const encoded = part.slice(colon + 1);
    const bytes = readPaddedBase64(encoded) ?? readBase64(encoded);
    if (bytes === undefined || bytes.length < 1 || bytes.length > maxBytes)
      return `the key ${id} is not base64 of 1 to ${maxBytes} bytes`;
    keys[id] = bytes;
  }
  return keys;
};

/** Whether a key may protect records that we write. */
export const isStrongKey = (bytes: Uint8Array | undefined): boolean =>
  bytes !== undefined && bytes.length >= minOwnBytes;

/** Throws an Error when `pepper` names no key that is long enough. */
export const createKeyRing = (options: {
  keys: Keys;
  /** Id of the key for new hashes. */
  pepper?: string | undefined;
  /** A record needs a key that is not here: its user cannot sign in until it is. */
  onMissing?: (id: string) => void;
}) => {
  const ring = new Map(Object.entries(options.keys));
  const { pepper: pepperId, onMissing } = options;
  const pepperBytes = pepperId === undefined ? undefined : ring.get(pepperId);
  if (pepperId !== undefined && !isStrongKey(pepperBytes))
    throw new Error(`the pepper is not in the key ring with at least ${minOwnBytes} bytes`);
  const pepper: Pepper | undefined =
    pepperId === undefined || pepperBytes === undefined
      ? undefined
      : { id: pepperId, bytes: pepperBytes };

  /** The keys with these ids, and no others. AppError key_missing: never a wrong password. */
  const need = (ids: readonly string[]): Keys => {
    if (ids.length === 0) return noKeys;
    const found: Record<string, Uint8Array> = {};
    for (const id of ids) {
      const bytes = ring.get(id);
      if (bytes === undefined) {
        onMissing?.(id);
        throw new AppError('key_missing', { detail: `key ${id}` });
      }
      found[id] = bytes;
    }
    return found;
  };

  return {
    need,
    /** The id of a secret that came with an import, so that the row need not hold it. */
    idOf: (secret: Uint8Array): string | undefined => {
      for (const [id, bytes] of ring) if (Buffer.compare(bytes, secret) === 0) return id;
      return undefined;
    },
    has: (id: string): boolean => ring.has(id),
    ids: (): string[] => [...ring.keys()],
    /** Is it here, and may it protect records that we write? */
    isStrong: (id: string): boolean => isStrongKey(ring.get(id)),
    pepper,
  };
};
