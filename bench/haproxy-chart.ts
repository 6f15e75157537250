/** The picture of the haproxy bench: what each way serves and how fast, at each load. */
import { type Bar, drawChart, type Panel } from './chart.js';
import { type ByWay, doubleClick, type HaproxyResult } from './haproxy-measure.js';

const labels = { floodgate: 'Floodgate', hash: 'HAProxy hash', leastconn: 'HAProxy leastconn' };
/** Behind the name of a load. */
const shortLabels = { floodgate: 'Floodgate', hash: 'hash', leastconn: 'leastconn' };
const ways = ['floodgate', 'hash', 'leastconn'] as const;

const barsOf = <T>(found: ByWay<T>, pick: (value: T) => number, before = ''): Bar[] =>
  ways.map((way) => {
    const value = pick(found[way]);
    return {
      label: before === '' ? labels[way] : `${before}: ${shortLabels[way]}`,
      values: [Number.isFinite(value) ? value : 0],
    };
  });

export const drawHaproxy = ({ capacity, overload, hot, kill }: HaproxyResult): string => {
  const atEach = (
    pick: (found: HaproxyResult['overload'][number]['found'][(typeof ways)[number]]) => number,
  ) => overload.flatMap(({ offer, found }) => barsOf(found, pick, offer.name));
  const panels: Panel[] = [
    {
      title: 'Throughput',
      axis: 'per second, closed loop',
      bars: barsOf(capacity, (rate) => rate),
    },
    { title: 'Goodput', axis: 'served per second, open loop', bars: atEach((s) => s.goodput) },
    { title: 'p99 of the served', axis: 'milliseconds', bars: atEach((s) => s.p99Ms) },
    { title: 'p99 of refusals', axis: 'milliseconds', bars: atEach((s) => s.refusedP99Ms) },
    {
      title: 'One account is a fifth of the load: p99 of the others',
      axis: 'milliseconds',
      bars: barsOf(hot, (h) => h.othersP99Ms),
    },
    {
      title: 'kill -9 of one of three nodes: failed',
      axis: 'requests',
      bars: barsOf(kill, (k) => k.failed),
    },
  ];
  return drawChart({
    heading: 'Floodgate and HAProxy in front of the same nodes',
    notes: [
      'Three nodes, one argon2id thread each, all on one core; everything else on the other',
      'Floodgate: whole logins with limits, session and signature; HAProxy: the inner request and its verdict',
      `Twice: ${doubleClick.share * 100} % of the people press twice within ${doubleClick.afterMs} ms`,
    ],
    panels,
  });
};
