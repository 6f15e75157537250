/**
 * Encryption at rest: AES-256-GCM under KEY_ENCRYPTION_KEY, so that whoever reads the store can sign
 * nothing. Form: `v1.<iv>.<ciphertext>.<tag>`, base64url. What the previous key sealed still opens.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

type Opened = { plain: string; isPreviousKey: boolean };

/** Bound into the seal: a text of another purpose does not open. */
const aad = Buffer.from('keyring');

/** Seals with the first of `keys`, opens with any. */
export const createSeal = (keys: readonly [Buffer, ...Buffer[]]) => {
  const openWith = (key: Buffer, iv: string, body: string, tag: string): string | undefined => {
    try {
      const options = { authTagLength: 16 };
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), options)
        .setAAD(aad)
        .setAuthTag(Buffer.from(tag, 'base64url'));
      const bytes = [decipher.update(Buffer.from(body, 'base64url')), decipher.final()];
      return Buffer.concat(bytes).toString('utf8');
    } catch {
      // Another key, or not what was written: the cause would say no more.
      return undefined;
    }
  };

  return {
    seal: (plain: string): string => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', keys[0], iv).setAAD(aad);
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      const parts = [iv, body, cipher.getAuthTag()].map((part) => part.toString('base64url'));
      return ['v1', ...parts].join('.');
    },

    /** Throws a plain Error that says what to look at, and quotes nothing. */
    open: (sealed: string): Opened => {
      const [version, iv, body, tag] = sealed.split('.');
      if (version !== 'v1' || !iv || !body || !tag)
        throw new Error('the keyring in Redis is in a format that this version does not know');
      for (const key of keys) {
        const plain = openWith(key, iv, body, tag);
        if (plain !== undefined) return { plain, isPreviousKey: key !== keys[0] };
      }
      throw new Error(
        'KEY_ENCRYPTION_KEY does not open the keyring in Redis: it differs from the one that made it',
      );
    },
  };
};
