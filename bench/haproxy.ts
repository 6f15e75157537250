/**
 * The haproxy bench: Floodgate's edge and Debian's HAProxy in front of the same nodes. They do not do
 * the same: whoever passes Floodgate has signed in (limits, coalescing, a session in Redis, a signed
 * token), HAProxy hands a ready-made inner request on and brings the verdict back, which still has to
 * become a login. Compared is what both do: sharing out password work that is scarce.
 */
import { drawHaproxy } from './haproxy-chart.js';
import { lossLoad, lossRounds } from './haproxy-loss.js';
import {
  doubleClick,
  type HaproxyResult,
  hotLoad,
  hotShare,
  measureHaproxy,
} from './haproxy-measure.js';
import { findHaproxy, haproxyVersion, missing, tuned } from './haproxy-process.js';
import { nodeCount, userCount } from './haproxy-rig.js';
import { type ByWay, type Way, ways } from './haproxy-ways.js';
import { showCodes } from './open/samples.js';
import {
  atLeast,
  atMost,
  type Bench,
  type Criterion,
  describeNoise,
  type Report,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from './report.js';

const minThroughput = 0.98;
const maxHotGrowth = 1.3;

const wayNames: Record<Way, string> = {
  floodgate: 'Floodgate',
  hash: 'HAProxy, hash',
  leastconn: 'HAProxy, leastconn',
};

const others = ['hash', 'leastconn'] as const;

const eachWay = <T>(found: ByWay<T>, describe: (value: T) => unknown) =>
  Object.fromEntries(ways.map((way) => [way, describe(found[way])]));

/** Floodgate against whichever HAProxy does better. */
const against = <T>(found: ByWay<T>, pick: (value: T) => number, best: typeof Math.max): number =>
  pick(found.floodgate) / best(...others.map((way) => pick(found[way])));

const criteriaOf = ({ ratios, overload, hot, losses }: HaproxyResult): Criterion[] => [
  ...others.map((way) =>
    atLeast(`throughput ÷ ${wayNames[way]}`, ratios[way].ratio.median, minThroughput),
  ),
  ...overload
    .filter(({ offer }) => offer.isJudged)
    .flatMap(({ offer, found, goodputRatios }) => [
      atLeast(
        `goodput at ${offer.name} ÷ the better HAProxy`,
        Math.min(...others.map((way) => goodputRatios[way].median)),
        1,
      ),
      atMost(
        `p99 at ${offer.name} ÷ the better HAProxy`,
        against(found, (s) => s.p99Ms, Math.min),
        1,
      ),
    ]),
  atMost(
    'hot account: p99 of the others ÷ without it',
    hot.floodgate.othersP99Ms / hot.floodgate.baseP99Ms,
    maxHotGrowth,
  ),
  ...losses.map(({ name, found }) =>
    atMost(
      `failed at ${name} − those of the better HAProxy`,
      found.floodgate.failed - Math.min(found.hash.failed, found.leastconn.failed),
      0,
    ),
  ),
];

const describe = ({ capacity, ratios, overload, hot, losses }: HaproxyResult) => ({
  capacity: Object.fromEntries(
    others.map((way) => [
      way,
      {
        floodgate: round(capacity[way].floodgate, 1),
        haproxy: round(capacity[way].haproxy, 1),
      },
    ]),
  ),
  throughput_ratio: Object.fromEntries(
    others.map((way) => [
      way,
      {
        ...roundInterval(ratios[way].ratio),
        ...describeNoise(ratios[way]),
        control_floodgate: roundInterval(ratios[way].control.a),
        control_haproxy: roundInterval(ratios[way].control.b),
      },
    ]),
  ),
  overload: overload.map(({ offer, perSecond, found, goodputRatios }) => ({
    name: offer.name,
    multiple: offer.multiple,
    ...(offer.again === undefined ? {} : { press_again: offer.again }),
    goodput_ratio: Object.fromEntries(
      others.map((way) => [way, roundInterval(goodputRatios[way])]),
    ),
    offered_per_second: round(perSecond, 1),
    ...eachWay(found, (s) => ({
      goodput: round(s.goodput, 1),
      p50_ms: round(s.p50Ms, 1),
      p99_ms: round(s.p99Ms, 1),
      refused: s.refused,
      refused_p99_ms: round(s.refusedP99Ms, 1),
      codes: s.codes,
    })),
  })),
  hot_account: eachWay(hot, (h) => ({
    p99_ms_without: round(h.baseP99Ms, 1),
    p99_ms_of_the_others: round(h.othersP99Ms, 1),
    failed_of_the_others: h.othersFailed,
    hot_served: h.hotOk,
    hot_sent: h.hotSent,
  })),
  node_loss: losses.map(({ name, found }) => ({
    name,
    ...eachWay(found, (k) => ({
      sent: k.sent,
      failed: k.failed,
      codes: k.codes,
      p99_ms: round(k.p99Ms, 1),
      max_ms: round(k.maxMs, 1),
    })),
  })),
});

const tablesOf = ({ capacity, ratios, overload, hot, losses }: HaproxyResult): Report['tables'] => [
  {
    title: 'Throughput, closed loop (ratio: median of pairs, 95 % interval)',
    head: [
      '',
      'per second',
      'Floodgate beside it',
      'Floodgate ÷ it',
      'A/A Floodgate',
      'A/A HAProxy',
      'dropped',
    ],
    rows: others.map((way) => [
      wayNames[way],
      capacity[way].haproxy.toFixed(1),
      capacity[way].floodgate.toFixed(1),
      showInterval(ratios[way].ratio),
      ratios[way].control.a.median.toFixed(3),
      ratios[way].control.b.median.toFixed(3),
      showNoise(ratios[way]),
    ]),
  },
  {
    title: `Open loop, people in multiples of capacity (twice: ${doubleClick.share * 100} % press twice within ${doubleClick.afterMs} ms)`,
    head: [
      '',
      'people/s',
      'goodput/s',
      'Floodgate ÷ it',
      'p50 ms',
      'p99 ms',
      'refused',
      'refusal p99 ms',
    ],
    rows: overload.flatMap(({ offer, found, goodputRatios }) =>
      ways.map((way) => {
        const s = found[way];
        const rates = [s.offered, s.goodput].map((value) => value.toFixed(1));
        const times = [s.p50Ms, s.p99Ms].map((value) => value.toFixed(1));
        const ratio = way === 'floodgate' ? '' : showInterval(goodputRatios[way]);
        const late = s.refused === 0 ? '–' : s.refusedP99Ms.toFixed(1);
        return [
          `${offer.name}: ${wayNames[way]}`,
          ...rates,
          ratio,
          ...times,
          String(s.refused),
          late,
        ];
      }),
    ),
  },
  {
    title: `One account is ${hotShare * 100} % of ${hotLoad} × capacity`,
    head: ['', 'p99 without ms', 'p99 of the others ms', 'growth', 'others failed', 'hot served'],
    rows: ways.map((way) => {
      const h = hot[way];
      return [
        wayNames[way],
        h.baseP99Ms.toFixed(1),
        h.othersP99Ms.toFixed(1),
        (h.othersP99Ms / h.baseP99Ms).toFixed(2),
        String(h.othersFailed),
        `${h.hotOk} of ${h.hotSent}`,
      ];
    }),
  },
  {
    title: `One of ${nodeCount} nodes is lost at ${lossLoad} × capacity, each ${lossRounds} times`,
    head: ['', 'sent', 'failed', 'p99 ms', 'max ms', 'how'],
    rows: losses.flatMap(({ name, found }) =>
      ways.map((way) => {
        const k = found[way];
        const times = [k.p99Ms, k.maxMs].map((value) => value.toFixed(1));
        const counts = [k.sent, k.failed].map(String);
        return [`${name}: ${wayNames[way]}`, ...counts, ...times, showCodes(k.codes)];
      }),
    ),
  },
];

export const haproxy: Bench = {
  about: "Floodgate's edge against Debian's HAProxy in front of the same nodes",
  run: async (options) => {
    const path = findHaproxy();
    if (path === undefined) throw new Error(missing);
    const result = await measureHaproxy(options);
    return {
      parameters: {
        haproxy: haproxyVersion(path),
        haproxy_threads: 1,
        haproxy_tuning: tuned,
        nodes: nodeCount,
        threads_per_node: 1,
        edges: 1,
        duration_s: options.durationSeconds,
        pairs: options.pairs,
        users: userCount,
        layout: 'isolated: hash threads on one core, all else on the other',
        floodgate_does: 'whole logins: limits, session, signature',
        haproxy_does: 'the inner request and its verdict only',
      },
      results: describe(result),
      criteria: criteriaOf(result),
      isNoisy: others.some((way) => result.ratios[way].isNoisy),
      tables: tablesOf(result),
      chart: drawHaproxy(result),
    };
  },
};
