/**
 * A weak hash inside argon2id (recipes/wrap.ts): `$wrap1$in=<kind>,k=<key id|0>$<setting>$argon2id$…`.
 * The mark in front decides, once, what the rest means: nobody ever tries the tail as a plain argon2id
 * hash. The setting is the inner recipe's text without its digest, in base64.
 */
import { readSetting } from '../recipes/kinds.js';
import { toBase64 } from '../recipes/params.js';
import type { Wrap } from '../recipes/wrap.js';
import type { Format } from './format.js';
import { outside, unread } from './malformed.js';
import { readBase64, readDecimal } from './strict.js';

const grammar =
  /^\$wrap1\$in=([a-z0-9-]{1,32}),k=([a-z0-9][a-z0-9_-]{0,7})\$([A-Za-z0-9+/]{1,900})\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** The stored form that `wrapped` reads. */
export const writeWrapped = (params: Wrap, tag: Uint8Array): string => {
  const { in: kind, setting, k, m, t, p, salt } = params;
  const head = `$wrap1$in=${kind},k=${k === '-' ? '0' : k}$${toBase64(setting)}`;
  return `${head}$argon2id$v=19$m=${m},t=${t},p=${p}$${toBase64(salt)}$${toBase64(tag)}`;
};

export const wrapped: Format = {
  id: 'wrap1',
  identify: (stored) => stored.startsWith('$wrap1$'),
  parse: (stored) => {
    const match = grammar.exec(stored);
    if (match === null) return outside(grammar, stored);
    const [, kind = '', k = '', settingText = '', mText = '', tText = '', pText = ''] = match;
    const setting = readBase64(settingText);
    const salt = readBase64(match[7] ?? '');
    const digest = readBase64(match[8] ?? '');
    const [m, t, p] = [mText, tText, pText].map(readDecimal);
    if (m === undefined || t === undefined || p === undefined) return unread({ m, t, p });
    if (setting === undefined || salt === undefined || digest === undefined)
      return unread({ setting, salt, digest });
    if (readSetting(kind, setting) === undefined) return 'hash_malformed:setting';
    const params: Wrap = { in: kind, setting, k: k === '0' ? '-' : k, m, t, p, salt };
    return { recipe: { kind: 'wrap', params }, digest };
  },
};
