/** A campaign as the admin port shows it: plain numbers, and how fast and how long. */
import type { Counts, Shown } from './desk.js';

type FormatRow = { class: string; format: string; seen: number } & Outcomes;
type Outcomes = { wrapped: number; changed: number; failed: number };

const seconds = (text: string | undefined): number | null =>
  text === undefined || text === '' ? null : Math.floor(Number(text) / 1000);

const outcomesOf = (counts: Counts, suffix: string): Outcomes => ({
  wrapped: counts[`wrapped${suffix}`] ?? 0,
  changed: counts[`changed${suffix}`] ?? 0,
  failed: counts[`failed${suffix}`] ?? 0,
});

const readFormats = (counts: Counts): FormatRow[] =>
  Object.entries(counts)
    .flatMap(([name, seen]) => {
      const [, cls = '', format = ''] = /^seen:(\w+):(.+)$/.exec(name) ?? [];
      return format === ''
        ? []
        : [{ class: cls, format, seen, ...outcomesOf(counts, `:${format}`) }];
    })
    .sort((a, b) => (a.class === b.class ? b.seen - a.seen : a.class < b.class ? -1 : 1));

/** Records per second between the older mark and now. */
const rateOf = ({ nowMs, state }: Shown, done: number): number => {
  const tookMs = nowMs - Number(state.m0_at);
  return tookMs > 0 ? ((done - Number(state.m0)) * 1000) / tookMs : 0;
};

const statusOf = ({ state }: Shown): string => {
  const isActive = state.status === 'counting' || state.status === 'wrapping';
  return isActive && state.paused === '1' ? 'paused' : (state.status ?? '');
};

/** Undefined when there has never been one. Nothing in it is secret. */
export const viewCampaign = (shown: Shown): Record<string, unknown> | undefined => {
  const { state, counts, owners } = shown;
  if (state.id === undefined) return undefined;
  const status = statusOf(shown);
  const outcomes = outcomesOf(counts, '');
  const due = counts.due ?? 0;
  const settled = outcomes.wrapped + outcomes.changed + outcomes.failed;
  const seen = counts.seen ?? 0;
  const isMoving = status === 'counting' || status === 'wrapping';
  const rate = isMoving ? rateOf(shown, status === 'counting' ? seen : settled) : 0;
  const left = status === 'wrapping' && rate > 0 ? Math.max(0, due - settled) / rate : null;
  return {
    ...{ id: state.id, status, dry_run: state.dry_run === '1', forced: state.force === '1' },
    key: state.key === '-' ? null : (state.key ?? null),
    table: state.table === '1',
    share: Number(state.share),
    started_at: seconds(state.started_at),
    ended_at: seconds(state.ended_at),
    ...{ seen, due, due_class_e: counts.due_e ?? 0, ...outcomes },
    per_second: Number(rate.toFixed(1)),
    seconds_left: left === null ? null : Math.ceil(left),
    formats: readFormats(counts),
    nodes: [...new Set(owners.map((owner) => owner.split(' ')[0] ?? ''))].sort(),
  };
};
