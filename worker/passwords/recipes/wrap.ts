/**
 * A weak digest inside argon2id, for records whose password nobody has typed yet. What argon2id gets
 * is not the digest, but a MAC over it: no typed password can equal that, so a leaked inner digest is
 * no password (pass-the-hash), and kind and setting of the inner recipe are bound to the record.
 *
 *   password ─ inner recipe ─▶ digest ─ HMAC(key, "wrap1" 00 kind 00 setting 00 digest) ─ argon2id ─▶ tag
 *
 * Without a key of the ring (`-`) the MAC's key is a public constant: lists of inner digests from
 * elsewhere can then be tried against the record at argon2id's price (shucking). Depth is one: the
 * table of inner kinds does not hold this one.
 */
import { createHmac } from 'node:crypto';
import { argon2, argon2Cost } from './argon2.js';
import { keyIdsIn, readParams, writeParams } from './params.js';
import {
  defineKind,
  type Keys,
  type Kind,
  type Params,
  type Recipe,
  type SecurityClass,
  type Tools,
} from './recipe.js';

export type Wrap = {
  /** The inner kind, and its parameters with the digest's length, as text in UTF-8. */
  in: string;
  setting: Uint8Array;
  k: string;
  /** Of the argon2id around it, version 19. */
  m: number;
  t: number;
  p: number;
  salt: Uint8Array;
};
type Given = { bytes: number; keys: Keys; tools: Tools };
export type Inner = { recipe: Recipe; bytes: number };

const publicKey = Buffer.from('floodgate wrap1 k=0');
const zero = Buffer.alloc(1);

/** Of a recipe whose kind is `wrap`; the limits are the kind's business. */
export const isWrap = (params: Params): params is Wrap =>
  ['in', 'k'].every((name) => typeof params[name] === 'string') &&
  ['m', 't', 'p'].every((name) => typeof params[name] === 'number') &&
  ['setting', 'salt'].every((name) => params[name] instanceof Uint8Array);

/** What may be inside: anything stronger waits for its next login. */
export const isWorthWrapping = (securityClass: SecurityClass): boolean =>
  ['C', 'D', 'E'].includes(securityClass);

/** The tag around a digest whose password is not known. Runs in the thread. */
export const wrapTag = (params: Wrap, digest: Uint8Array, given: Given): Uint8Array => {
  const key = params.k === '-' ? publicKey : given.keys[params.k];
  if (key === undefined) throw new Error('the key is not there');
  const mac = createHmac('sha256', key);
  for (const part of ['wrap1', params.in]) mac.update(part).update(zero);
  mac.update(params.setting).update(zero).update(digest);
  const { m, t, p, salt } = params;
  return given.tools.argon2(mac.digest(), {
    ...{ variant: 'id', version: 19, memoryKiB: m, passes: t, lanes: p },
    ...{ salt, bytes: given.bytes },
  });
};

/** `kinds`: what can be inside. */
export const createWrap = (kinds: readonly Kind[]) => {
  const byId = new Map(kinds.map((kind) => [kind.id, kind]));

  /** Undefined unless it is exactly what `writeSetting` writes. */
  const readSetting = (id: string, setting: Uint8Array): (Inner & { kind: Kind }) | undefined => {
    const [, text = '', length = ''] =
      /^(.*),bytes=([1-9]\d?)$/.exec(Buffer.from(setting).toString('latin1')) ?? [];
    const kind = byId.get(id);
    const params = kind && readParams(kind, text);
    return kind && params && { kind, recipe: { kind: id, params }, bytes: Number(length) };
  };

  const innerOf = ({ in: id, setting }: Wrap) => {
    const inner = readSetting(id, setting);
    if (inner === undefined) throw new Error('the inner recipe cannot be read');
    return inner;
  };

  const isInnerUsable = (wrap: Wrap): boolean => {
    const inner = readSetting(wrap.in, wrap.setting);
    if (inner === undefined) return false;
    const { kind, recipe, bytes } = inner;
    return (
      kind.isWithinLimits(recipe.params, bytes) &&
      isWorthWrapping(kind.securityClass(recipe.params))
    );
  };

  const outer = ({ m, t, p, salt }: Wrap): Params => ({
    ...{ v: 'id', version: 19, m, t, p, salt, key: '-' },
  });

  const kind = defineKind<Wrap>({
    id: 'wrap',
    fields: { in: 'word', setting: 'bytes', k: 'key', m: 'int', t: 'int', p: 'int', salt: 'bytes' },
    isWithinLimits: (wrap, bytes) =>
      argon2.isWithinLimits(outer(wrap), bytes) && isInnerUsable(wrap),
    lacks: (wrap, given) => {
      const { kind: inside, recipe, bytes } = innerOf(wrap);
      return inside.lacks?.(recipe.params, given && { ...given, bytes });
    },
    ignores: (wrap, password) => {
      const { kind: inside, recipe } = innerOf(wrap);
      return inside.ignores?.(recipe.params, password) ?? false;
    },
    cost: (wrap) => {
      const inside = innerOf(wrap);
      const inner = inside.kind.cost(inside.recipe.params, inside.bytes);
      const around = argon2Cost(wrap.m, wrap.t);
      return {
        key: `wrap/${inner.key}/${around.key}`,
        relative: inner.relative + around.relative,
        bytes: Math.max(inner.bytes, around.bytes),
      };
    },
    securityClass: (wrap) => argon2.securityClass(outer(wrap)),
    innerKeyIds: (wrap) => {
      const inner = readSetting(wrap.in, wrap.setting);
      return inner === undefined ? [] : keyIdsIn(inner.kind, inner.recipe.params);
    },
    derive: (wrap, password, given) => {
      const { kind: inside, recipe, bytes } = innerOf(wrap);
      return wrapTag(wrap, inside.derive(recipe.params, password, { ...given, bytes }), given);
    },
  });

  /** The canonical inner setting. Throws an Error for a kind that cannot be inside. */
  const writeSetting = ({ recipe, bytes }: Inner): Uint8Array => {
    const inside = byId.get(recipe.kind);
    if (inside === undefined) throw new Error('this kind cannot be wrapped');
    return Buffer.from(`${writeParams(inside, recipe.params)},bytes=${bytes}`);
  };

  return { kind, readSetting, writeSetting };
};
