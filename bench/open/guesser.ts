/**
 * The guesser bench: one address guesses at the passwords of many accounts, far over its limit of 20
 * failures a minute; do the others notice, and what does turning it away cost? Isolated: what that costs
 * comes on top of what hashing needs, and is not to be confused with it.
 */
import { atMost, round } from '../report.js';
import { median, percentile } from '../stats.js';
import { forwardedLogins, loginRequest, type Users } from '../users.js';
import { createBesideBench } from './beside.js';
import { type Beside, type Crowd, load, servedShare } from './beside-measure.js';
import { isRefused, latencies } from './samples.js';

/** Multiples of the capacity. */
const guesses = 5;
/** In no network of the others. */
const from = 'X-Forwarded-For: 10.255.255.7\r\n';
const mostRedisUs = 20;

const groupsOf = (users: Users) => ({
  others: forwardedLogins(users),
  guesser: users.names.map((name) => loginRequest(name, 'a wrong password', from)),
});

export const guessingAddress = (): Crowd => ({
  groupsOf,
  mix: () => ({ others: load, guesser: guesses }),
  layout: 'isolated',
});

/** What a guess adds to the CPU time, in microseconds: median over the pairs of slices. */
const costOf = ({ comparison: { a, b } }: Beside, kind: 'edges' | 'redis'): number =>
  median(a.map(({ cpuMs, sent }, i) => ((cpuMs[kind] - (b[i]?.cpuMs[kind] ?? 0)) * 1000) / sent));

export const guesser = createBesideBench({
  about: `one address guesses at ${guesses} × the capacity, over its limit: the others against the same load without`,
  heading: 'An address over its limit',
  who: 'a guesser',
  crowd: guessingAddress,
  parameters: { guesses },
  more: (found) => {
    const { a, b } = found.comparison;
    const refused = latencies(a.flatMap(({ beside }) => beside).filter(isRefused));
    const [p50, p99] = [percentile(refused, 0.5), percentile(refused, 0.99)];
    const served = { beside: servedShare(a), without: servedShare(b) };
    const us = { edges: costOf(found, 'edges'), redis: costOf(found, 'redis') };
    return {
      results: {
        refused_ms: { p50: round(p50, 1), p99: round(p99, 1) },
        others_served: { beside: round(served.beside, 5), without: round(served.without, 5) },
        cpu_us_per_guess: { edges: round(us.edges, 0), redis: round(us.redis, 1) },
      },
      criteria: [atMost('CPU of Redis per guess, µs', us.redis, mostRedisUs)],
      tables: [
        {
          title: 'Turning a guess away',
          head: ['refused p50, p99 ms', 'edges µs', 'redis µs', 'others served', 'without it'],
          rows: [
            [
              `${p50.toFixed(1)}, ${p99.toFixed(1)}`,
              us.edges.toFixed(0),
              us.redis.toFixed(1),
              `${(100 * served.beside).toFixed(2)} %`,
              `${(100 * served.without).toFixed(2)} %`,
            ],
          ],
        },
      ],
    };
  },
});
