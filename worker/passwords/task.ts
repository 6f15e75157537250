/**
 * The code inside a hash thread: takes work from its port, one at a time, computes synchronously and
 * answers in the same order. Nothing else runs here, so a thread is either hashing or asleep.
 * Owns @node-rs/argon2 and @node-rs/bcrypt. Parameters were bounded before the work was handed over.
 */
import { timingSafeEqual } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { hashRawSync, hashSync } from '@node-rs/argon2';
import { hashSync as bcryptSync } from '@node-rs/bcrypt';
import { readBcrypt64 } from './formats/strict.js';
import type { Pepper } from './keys.js';
import { libcrypt } from './libcrypt.js';
import { toBase64 } from './recipes/params.js';
import type { Argon2Options, Keys, Recipe, Tools } from './recipes/recipe.js';
import { kindOf } from './recipes/recipes.js';
import { type Wrap, wrapTag } from './recipes/wrap.js';

export type Work =
  | readonly [
      'verify',
      recipe: Recipe,
      digest: Uint8Array,
      password: string | Uint8Array,
      keys: Keys,
    ]
  | readonly [
      'hash',
      password: string,
      memoryKiB: number,
      passes: number,
      lanes: number,
      pepper?: Pepper,
    ]
  | readonly ['wrap', params: Wrap, digest: Uint8Array, bytes: number, keys: Keys]
  | readonly ['ping'];

/** What a thread answers: does the password match, the new hash or tag (in base64), or what went wrong. */
export type Answer = boolean | string | Error;

const variants: Readonly<Record<string, 0 | 1 | 2>> = { d: 0, i: 1, id: 2 };
const versions: Readonly<Record<number, 0 | 1>> = { 16: 0, 19: 1 };

const argon2 = (password: Uint8Array, options: Argon2Options): Uint8Array => {
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

const bcrypt = (password: Uint8Array, cost: number, salt: Uint8Array): Uint8Array => {
  const digest = readBcrypt64(bcryptSync(password, { cost, salt }).slice(29), 23);
  if (digest === undefined) throw new Error('bcrypt answered something else');
  return digest;
};

const tools: Tools = { argon2, bcrypt, crypt: libcrypt };

const verify = (
  recipe: Recipe,
  digest: Uint8Array,
  password: string | Uint8Array,
  keys: Keys,
): boolean => {
  const bytes = typeof password === 'string' ? Buffer.from(password) : password;
  const given = { bytes: digest.length, keys, tools };
  return timingSafeEqual(kindOf(recipe).derive(recipe.params, bytes, given), digest);
};

/** The library uses a secret, but does not write which: PHC names it by `keyid`, in base64. */
const nameKey = (hash: string, id: string): string =>
  hash.replace(/,p=\d+\$/, (lanes) => `${lanes.slice(0, -1)},keyid=${toBase64(Buffer.from(id))}$`);

export const runWork = (work: Work): boolean | string => {
  switch (work[0]) {
    case 'verify':
      return verify(work[1], work[2], work[3], work[4]);
    case 'hash': {
      const [, password, memoryCost, timeCost, parallelism, pepper] = work;
      const parameters = { memoryCost, timeCost, parallelism, outputLen: 32 };
      return pepper === undefined
        ? hashSync(password, parameters)
        : nameKey(hashSync(password, { ...parameters, secret: pepper.bytes }), pepper.id);
    }
    case 'wrap': {
      const [, params, digest, bytes, keys] = work;
      return toBase64(wrapTag(params, digest, { bytes, keys, tools }));
    }
    case 'ping':
      return true;
  }
};

const answer = (work: Work): Answer => {
  try {
    return runWork(work);
  } catch (error) {
    return error instanceof Error ? error : new Error('the hash function failed');
  }
};

/**
 * Piscina runs this once per thread. It says hello, and lasts until the main thread closes the port: a
 * Piscina task per hash costs the main thread 0.3 ms beside argon2 (cold caches), a message on a port
 * of our own 0.13.
 */
export default (port: MessagePort): Promise<void> =>
  new Promise((resolve) => {
    port.on('message', (work: Work) => port.postMessage(answer(work)));
    port.on('close', resolve);
    port.postMessage(true);
  });
