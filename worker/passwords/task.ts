/**
 * The code inside a hash thread: takes work from its port, one at a time, computes synchronously and
 * answers in the same order. Nothing else runs here, so a thread is either hashing or asleep.
 * Owns @node-rs/argon2 and @node-rs/bcrypt. Parameters were bounded before the work was handed over.
 */
import { pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { hashSync, verifySync as verifyArgon2 } from '@node-rs/argon2';
import { verifySync as verifyBcrypt } from '@node-rs/bcrypt';

export type Pbkdf2Digest = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512';

export type Work =
  | readonly ['argon2', stored: string, password: string]
  | readonly ['bcrypt', stored: string, password: string | Uint8Array]
  | readonly [
      'pbkdf2',
      digest: Pbkdf2Digest,
      iterations: number,
      salt: Uint8Array,
      wanted: Uint8Array,
      password: string,
    ]
  | readonly ['hash', password: string, memoryKiB: number, passes: number, lanes: number]
  | readonly ['ping'];

/** What a thread answers: does the password match, the new hash, or what went wrong. */
export type Answer = boolean | string | Error;

export const runWork = (work: Work): boolean | string => {
  switch (work[0]) {
    case 'argon2':
      return verifyArgon2(work[1], work[2]);
    case 'bcrypt':
      return verifyBcrypt(work[2], work[1]);
    case 'pbkdf2': {
      const [, digest, iterations, salt, wanted, password] = work;
      return timingSafeEqual(pbkdf2Sync(password, salt, iterations, wanted.length, digest), wanted);
    }
    case 'hash': {
      const [, password, memoryCost, timeCost, parallelism] = work;
      return hashSync(password, { memoryCost, timeCost, parallelism, outputLen: 32 });
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
