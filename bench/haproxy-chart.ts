/** The picture of the haproxy bench: what each way serves and how fast, at each load. */
import { type Bar, drawChart, type Panel } from './chart.js';
import { doubleClick, type HaproxyResult } from './haproxy-measure.js';
import { type ByWay, type Way, ways } from './haproxy-ways.js';

const labels = { floodgate: 'Floodgate', hash: 'HAProxy hash', leastconn: 'HAProxy leastconn' };
/** Behind the name of a load. */
const shortLabels = { floodgate: 'Floodgate', hash: 'hash', leastconn: 'leastconn' };

const barsOf = <T>(found: ByWay<T>, pick: (value: T) => number, before = ''): Bar[] =>
  ways.map((way) => {
    const value = pick(found[way]);
    return {
      label: before === '' ? labels[way] : `${before}: ${shortLabels[way]}`,
      values: [Number.isFinite(value) ? value : 0],
    };
  });

export const drawHaproxy = ({ capacity, overload, hot, losses }: HaproxyResult): string => {
  const atEach = (pick: (found: HaproxyResult['overload'][number]['found'][Way]) => number) =>
    overload.flatMap(({ offer, found }) => barsOf(found, pick, offer.name));
  const panels: Panel[] = [
    {
      title: 'Throughput',
      axis: 'per second, closed loop',
      bars: (['hash', 'leastconn'] as const).flatMap((way) => [
        { label: labels[way], values: [capacity[way].haproxy] },
        { label: `Floodgate beside ${way}`, values: [capacity[way].floodgate] },
      ]),
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
      title: 'One of three nodes is lost: failed',
      axis: 'requests',
      bars: losses.flatMap(({ name, found }) => barsOf(found, (k) => k.failed, name)),
    },
    {
      title: 'One of three nodes is lost: slowest login',
      axis: 'milliseconds',
      bars: losses.flatMap(({ name, found }) => barsOf(found, (k) => k.maxMs, name)),
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
