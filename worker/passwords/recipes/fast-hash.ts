/**
 * The fast hash functions by name, what they cost, and HMAC over them: what the kinds digest, hmac,
 * template and magento share. One-shot `hash` because it costs half of `createHash`.
 */
import { createHmac, hash } from 'node:crypto';
import { md4 } from './md4.js';
import { mysql323 } from './mysql323.js';
import type { Cost } from './recipe.js';

type Row = { bytes: number; run: (message: Uint8Array) => Buffer };

const native = (name: string, bytes: number): Row => ({
  bytes,
  run: (message) => hash(name, message, 'buffer'),
});

const table: ReadonlyMap<string, Row> = new Map([
  ['md4', { bytes: 16, run: md4 }],
  ['md5', native('md5', 16)],
  ['sha1', native('sha1', 20)],
  ['sha224', native('sha224', 28)],
  ['sha256', native('sha256', 32)],
  ['sha384', native('sha384', 48)],
  ['sha512', native('sha512', 64)],
  ['mysql323', { bytes: 8, run: mysql323 }],
]);

/** 0 for a name that is not in the table, so that no digest has its length. */
export const digestBytes = (alg: string): number => table.get(alg)?.bytes ?? 0;

/** Of all parts, one behind the other. Throws for a name that is not in the table. */
export const fastHash = (alg: string, ...parts: readonly Uint8Array[]): Buffer => {
  const row = table.get(alg);
  if (row === undefined) throw new Error('no such hash function');
  return row.run(Buffer.concat(parts));
};

const blockBytes = 64;

/** RFC 2104; HMAC-MD4 by hand. */
export const fastHmac = (alg: string, key: Uint8Array, message: Uint8Array): Buffer => {
  if (alg !== 'md4') return createHmac(alg, key).update(message).digest();
  const block = Buffer.alloc(blockBytes);
  block.set(key.length > blockBytes ? md4(key) : key);
  const inner = fastHash(
    'md4',
    block.map((byte) => byte ^ 0x36),
    message,
  );
  return fastHash(
    'md4',
    block.map((byte) => byte ^ 0x5c),
    inner,
  );
};

/** A handful of microseconds, whatever the function: nothing beside the way into the thread. */
export const fastCost = (key: string): Cost => ({ key, relative: 0.001, bytes: 8192 });
