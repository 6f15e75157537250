/**
 * Firebase's modification of scrypt: 32 bytes of scrypt over salt and separator are the key that
 * encrypts the project's signer key (AES-256-CTR, counter from zero), and the result is stored. The
 * signer key is a secret of the project: it lives in the key ring and the record has its id.
 */
import { createCipheriv } from 'node:crypto';
import { defineKind } from './recipe.js';
import { computeScrypt, isScryptSize, scryptClass, scryptCost } from './scrypt.js';

type FbScrypt = {
  ln: number;
  r: number;
  salt: Uint8Array;
  /** Appended to the salt. */
  sep: Uint8Array;
  key: string;
};

const sizeOf = ({ ln, r }: FbScrypt) => ({ ln, r, p: 1 });

export const fbscrypt = defineKind<FbScrypt>({
  id: 'fbscrypt',
  fields: { ln: 'int', r: 'int', salt: 'bytes', sep: 'bytes', key: 'key' },
  isWithinLimits: (params, bytes) =>
    isScryptSize(sizeOf(params)) &&
    params.salt.length + params.sep.length <= 64 &&
    bytes >= 16 &&
    bytes <= 64,
  // A signer key of another length is another project's, or a slip: no password would ever match.
  lacks: ({ key }, given) =>
    given !== undefined && given.keys[key]?.length !== given.bytes ? 'key' : undefined,
  cost: (params) => scryptCost(sizeOf(params)),
  securityClass: (params) => scryptClass(sizeOf(params)),
  derive: (params, password, { bytes, keys }) => {
    const signer = keys[params.key];
    if (signer?.length !== bytes) throw new Error('the signer key is not there');
    const salt = Buffer.concat([params.salt, params.sep]);
    const key = computeScrypt(password, salt, sizeOf(params), 32);
    return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(signer);
  },
});
