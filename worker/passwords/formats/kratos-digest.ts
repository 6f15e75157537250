/**
 * Ory Kratos's fast digests: `$sha1$pf=<template>$<salt>$<digest>` with all three in base64, and
 * `$md5$<digest>` without a salt. `pf=` is Kratos's alone; a bare `$md5$` is also Sun's, `$sha1$` also
 * NetBSD's.
 */
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { outside, unread } from './malformed.js';
import { readPaddedBase64 } from './strict.js';

const templated = /^\$(md5|sha1|sha256|sha512)\$pf=([^$]+)\$([^$]*)\$([^$]+)$/;
const bare = /^\$md5\$([^$]+)$/;

export const kratosDigest: Format = {
  id: 'kratos-digest',
  identify: (stored) => /^\$(md5|sha1|sha256|sha512)\$pf=/.test(stored),
  parse: (text) => {
    const plain = bare.exec(text)?.[1];
    if (plain !== undefined) return joinDigest(digestRecipe('md5', 'p'), readPaddedBase64(plain));
    const match = templated.exec(text);
    if (match === null) return outside(templated, text);
    const [, alg = '', template = '', saltText = '', digestText = ''] = match;
    const pf = readPaddedBase64(template);
    const salt = readPaddedBase64(saltText);
    const digest = readPaddedBase64(digestText);
    if (pf === undefined || salt === undefined || digest === undefined)
      return unread({ template: pf, salt, digest });
    // Without it every password would match.
    if (!pf.includes('{PASSWORD}')) return 'hash_malformed:template';
    return joinDigest({ kind: 'template', params: { alg, pf, salt } }, digest);
  },
};
