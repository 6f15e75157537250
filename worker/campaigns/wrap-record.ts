/**
 * Wraps one record: read → still due? → wrap → read what was made as a login would and compute its tag
 * again → compare-and-set. The password is not needed and the old value is gone afterwards, so nothing
 * is written that the production reader does not take for the same inner hash. The salt follows from
 * campaign, page and account: whoever repeats a page finds its own writes again and counts them once.
 */
import { createHmac } from 'node:crypto';
import type { Credential, Credentials } from '../credentials/credentials.js';
import type { StoredHash, Target } from '../passwords/formats/format.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { writeWrapped } from '../passwords/formats/wrapped.js';
import type { KeyRing } from '../passwords/keys.js';
import { argon2Cost } from '../passwords/recipes/argon2.js';
import { readSetting, writeSetting } from '../passwords/recipes/kinds.js';
import { toBase64, writeParams } from '../passwords/recipes/params.js';
import type { Cost, Recipe } from '../passwords/recipes/recipe.js';
import { kindOf } from '../passwords/recipes/recipes.js';
import { isWrap, type Wrap } from '../passwords/recipes/wrap.js';
import type { Work } from '../passwords/work.js';
import { isDue } from './census.js';
import type { Page, Row } from './desk.js';

/** changed: not due any more · failed: left as it was, and logged. */
export type Outcome = 'wrapped' | 'changed' | 'failed';
/** Runs work on spare capacity; rejects when there is to be no more of it. */
export type RunSpare = (work: Work, cost: Cost) => Promise<boolean | string>;
export type WrapRecord = ReturnType<typeof createWrapRecord>;
type Logs = { error(fields: object, text: string): void };

const saltBytes = 16;
const tagBytes = 32;
/** A record that changes under every try belongs to somebody who is busy with it. */
const maxTries = 3;

const saltOf = ({ campaign, page }: Page, u: string): Buffer =>
  createHmac('sha256', campaign.id).update(`${page} ${u}`).digest().subarray(0, saltBytes);

const isSameRecipe = (a: Recipe, b: Recipe): boolean =>
  a.kind === b.kind && writeParams(kindOf(a), a.params) === writeParams(kindOf(b), b.params);

export const createWrapRecord = (options: {
  credentials: Pick<Credentials, 'find' | 'replaceHash'>;
  keys: Pick<KeyRing, 'need'>;
  target: Target;
  log: Logs;
}) => {
  const { credentials, log } = options;
  const { memoryKiB, passes, lanes } = options.target;
  const cost = argon2Cost(memoryKiB, passes);

  const keysFor = (k: string) => options.keys.need(k === '-' ? [] : [k]);

  const make = async (
    { recipe, digest }: StoredHash,
    k: string,
    salt: Uint8Array,
    run: RunSpare,
  ): Promise<string> => {
    const setting = writeSetting({ recipe, bytes: digest.length });
    const params: Wrap = { in: recipe.kind, setting, k, m: memoryKiB, t: passes, p: lanes, salt };
    const tag = await run(['wrap', params, digest, tagBytes, keysFor(k)], cost);
    return typeof tag === 'string' ? writeWrapped(params, Buffer.from(tag, 'base64')) : '';
  };

  /** Whether a login would compute this very tag from this very digest. */
  const isProven = async (stored: string, old: StoredHash, run: RunSpare): Promise<boolean> => {
    const hash = readHash(stored);
    if (!isUsable(hash)) return false;
    const { params } = hash.recipe;
    if (!isWrap(params)) return false;
    const inner = readSetting(params.in, params.setting);
    const isSame =
      inner?.bytes === old.digest.length &&
      isSameRecipe(inner.recipe, old.recipe) &&
      hash.digest.length === tagBytes &&
      [params.m, params.t, params.p].join() === [memoryKiB, passes, lanes].join();
    if (!isSame) return false;
    const work: Work = ['wrap', params, old.digest, hash.digest.length, keysFor(params.k)];
    return (await run(work, cost)) === toBase64(hash.digest);
  };

  const tryOnce = async (
    page: Page,
    { u, name }: Row,
    run: RunSpare,
  ): Promise<Outcome | 'again'> => {
    const seen: Credential | undefined = await credentials.find(u, name);
    const hash = seen === undefined ? undefined : readHash(seen.hash);
    if (seen === undefined || hash === undefined || !isUsable(hash)) return 'changed';
    const salt = saltOf(page, u);
    const { params } = hash.recipe;
    if (isWrap(params)) return Buffer.compare(params.salt, salt) === 0 ? 'wrapped' : 'changed';
    if (!isDue(hash, page.campaign)) return 'changed';
    const stored = await make(hash, page.campaign.key, salt, run);
    if (!(await isProven(stored, hash, run))) {
      log.error({ user_id: seen.userId, format: hash.format }, 'a wrapped record does not verify');
      return 'failed';
    }
    return (await credentials.replaceHash(u, seen, stored, seen.norm)) ? 'wrapped' : 'again';
  };

  /** Throws what `run` and the store throw; nothing is known then, and the row is to be tried again. */
  return async (page: Page, row: Row, run: RunSpare): Promise<Outcome> => {
    for (let tries = 0; tries < maxTries; tries++) {
      const outcome = await tryOnce(page, row, run);
      if (outcome !== 'again') return outcome;
    }
    return 'changed';
  };
};
