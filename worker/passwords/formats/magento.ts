/**
 * Magento 2: `hex:salt:version[:version…]`, one version per pass: 0 md5, 1 sha256, 2 argon2id with
 * libsodium's interactive limits, `3_length_passes_bytes` the same with its own. An upgraded record is a
 * chain of them, argon2id over argon2id included. A bare 3, which the upgrade command of some releases
 * appended, cannot be verified by Magento either.
 */
import { chainOf } from '../recipes/magento.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { readDecimal, readHex } from './strict.js';

const grammar = /^([0-9a-f]+):([^:\p{Cc}]+):([0-9_:]+)$/u;

type Step = Parameters<typeof chainOf>[0][number];

const fixed: ReadonlyMap<string, Step> = new Map([
  ['0', { alg: 'md5', t: 0, m: 0, bytes: 16 }],
  ['1', { alg: 'sha256', t: 0, m: 0, bytes: 32 }],
  ['2', { t: 2, m: 65_536, bytes: 32 }],
]);

const readStep = (version: string): Step | undefined => {
  const [, length = '', passes = '', memory = ''] = /^3_(\d+)_(\d+)_(\d+)$/.exec(version) ?? [];
  const [bytes, t, memoryBytes] = [length, passes, memory].map(readDecimal);
  if (bytes === undefined || t === undefined || memoryBytes === undefined)
    return fixed.get(version);
  return { t, m: Math.floor(memoryBytes / 1024), bytes };
};

export const magento: Format = {
  id: 'magento',
  parse: (text) => {
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, digestText = '', salt = '', versions = ''] = match;
    const steps = versions.split(':').flatMap((version) => readStep(version) ?? []);
    const last = steps.at(-1);
    const digest = readHex(digestText);
    if (digest === undefined) return 'hash_malformed:digest';
    if (last === undefined || steps.length !== versions.split(':').length)
      return 'hash_malformed:version';
    if (digest.length !== last.bytes) return 'hash_length';
    const params = { chain: chainOf(steps), t: last.t, m: last.m, salt: Buffer.from(salt) };
    return { recipe: { kind: 'magento', params }, digest };
  },
};
