/** The one door to @node-rs/argon2: synchronous, for hash threads only. */
import { hashRawSync, hashSync } from '@node-rs/argon2';
import type { Pepper } from './keys.js';
import { toBase64 } from './recipes/params.js';
import type { Argon2Options } from './recipes/recipe.js';

const variants: Readonly<Record<string, 0 | 1 | 2>> = { d: 0, i: 1, id: 2 };
const versions: Readonly<Record<number, 0 | 1>> = { 16: 0, 19: 1 };

/** The tag. */
export const argon2 = (password: Uint8Array, options: Argon2Options): Uint8Array => {
  const { variant, version, memoryKiB, passes, lanes, salt, bytes, secret } = options;
  const algorithm = variants[variant];
  const edition = versions[version];
  if (algorithm === undefined || edition === undefined) throw new Error('no such argon2');
  return hashRawSync(password, {
    ...{ algorithm, version: edition, salt, outputLen: bytes },
    ...{ memoryCost: memoryKiB, timeCost: passes, parallelism: lanes },
    ...(secret ? { secret } : {}),
  });
};

/** The library uses a secret, but does not write which: PHC names it by `keyid`, in base64. */
const nameKey = (hash: string, id: string): string =>
  hash.replace(/,p=\d+\$/, (lanes) => `${lanes.slice(0, -1)},keyid=${toBase64(Buffer.from(id))}$`);

/** A new hash with a salt of its own, unless one is given, in PHC spelling. */
export const hashArgon2id = (
  password: string,
  target: {
    memoryKiB: number;
    passes: number;
    lanes: number;
    pepper: Pepper | undefined;
    salt: Uint8Array | undefined;
  },
): string => {
  const { memoryKiB, passes, lanes, pepper, salt } = target;
  const options = {
    ...{ memoryCost: memoryKiB, timeCost: passes, parallelism: lanes, outputLen: 32 },
    ...(salt === undefined ? {} : { salt }),
  };
  return pepper === undefined
    ? hashSync(password, options)
    : nameKey(hashSync(password, { ...options, secret: pepper.bytes }), pepper.id);
};
