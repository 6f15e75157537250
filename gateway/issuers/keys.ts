/**
 * The keys of one issuer, as of the last good answer of its `jwks_url`:
 *
 *   age ≤ 5 min  used                     5 – 10 min  used, read again in the background
 *   10 min – 1 h read again first; while the issuer does not answer, the last good set stays in force
 *   > 1 h        nobody can say any more: issuer_unavailable
 *
 * A key id that is not in it makes us read again, all together once, at most every 5 s.
 */
import type { KeyObject } from 'node:crypto';
import type { ForeignAlg } from './algorithms.js';
import { fetchJson } from './fetch-json.js';
import { type IssuerKey, pickKey, readKeySet } from './key-set.js';
import type { Line } from './line.js';
import { unavailable } from './unavailable.js';

export type IssuerKeys = ReturnType<typeof createIssuerKeys>;

const freshMs = 300_000;
const lateMs = 600_000;
const goodMs = 3_600_000;
const pauseMs = 5000;

const headers = { accept: 'application/jwk-set+json, application/json' };

export const createIssuerKeys = ({
  url,
  algorithms,
  line,
  now = () => performance.now(),
}: {
  url: string;
  algorithms: readonly ForeignAlg[];
  line: Pick<Line, 'call' | 'isFailing'>;
  now?: () => number;
}) => {
  let keys: readonly IssuerKey[] = [];
  /** When the request of the last good answer was sent. */
  let readAt = Number.NEGATIVE_INFINITY;
  let epoch = 0;
  let reading: Promise<void> | undefined;

  const take = (next: readonly IssuerKey[], at: number) => {
    const texts = new Set(next.map(({ text }) => text));
    if (keys.some(({ text }) => !texts.has(text))) epoch++;
    keys = next;
    readAt = at;
  };

  const readNow = async () => {
    const at = now();
    const next = await line.call(async (signal) =>
      readKeySet(await fetchJson(url, { headers, signal }), algorithms),
    );
    take(next, at);
  };

  /** One read for all who want it. Throws issuer_unavailable. */
  const read = (): Promise<void> => {
    reading ??= readNow().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const readInBackground = () => void read().catch(() => {});

  /** Makes sure that the set may be used now. */
  const freshen = async () => {
    const age = now() - readAt;
    if (age <= freshMs) return;
    // Known to be failing: one token's check tries again, the others do not wait for it.
    if (age <= lateMs || (age <= goodMs && line.isFailing())) return readInBackground();
    try {
      await read();
    } catch (error) {
      if (age > goodMs) throw error;
    }
  };

  const hasKeyId = (kid: string | undefined): boolean =>
    kid !== undefined && keys.some((key) => key.kid === kid);

  const readForUnknown = async (kid: string | undefined) => {
    const askedAt = now();
    const leftMs = readAt + pauseMs - askedAt;
    const wasReading = reading !== undefined;
    if (!wasReading && leftMs > 0) throw unavailable('a key id just unknown', leftMs);
    await read();
    // Sent before we were asked, it may have been answered before the key was there.
    if (wasReading && !hasKeyId(kid))
      throw unavailable('a key id just unknown', readAt + pauseMs - now());
  };

  return {
    /**
     * Undefined when the issuer has no such key, by an answer that it gave after we were asked.
     * Throws issuer_unavailable when it cannot be asked now.
     */
    find: async (kid: string | undefined, alg: ForeignAlg): Promise<KeyObject | undefined> => {
      await freshen();
      const found = pickKey(keys, kid, alg);
      // A key id that is there, but for another algorithm, is no reason to read again.
      if (found !== undefined || hasKeyId(kid)) return found;
      await readForUnknown(kid);
      return pickKey(keys, kid, alg);
    },
    /** Changes when a key was withdrawn: what it had confirmed must be checked again. */
    epoch: (): number => epoch,
    /** Reads the set before the first token needs it. */
    warm: readInBackground,
    stats: () => ({ keys: keys.length, isStale: now() - readAt > lateMs }),
  };
};
