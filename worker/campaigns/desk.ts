/**
 * A campaign's state as the rest of the node sees it: typed calls of the scripts, each atomic. All
 * throw AppError store_unavailable; what an unanswered call did is found by the next one, because rows
 * that were settled without being reported are found settled.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import { defineScript } from '../../shared/redis-calls.js';
import {
  advanceScript,
  keys,
  reportScript,
  showScript,
  startScript,
  steerScript,
  takeScript,
} from './scripts.js';

export type Desk = ReturnType<typeof createDesk>;
/** `key`: id in the key ring, `-` for none; `share`: percent of a node's slots. */
export type Options = { isDryRun: boolean; key: string; isForced: boolean; share: number };
/** A record that was due when the walk passed it. */
export type Row = { u: string; name: string; format: string };
export type Counts = Readonly<Record<string, number>>;
export type Campaign = Omit<Options, 'isDryRun'> & { id: string; isCounting: boolean };
export type Page = { campaign: Campaign; owner: string; page: string; rows: Row[] };
export type Walk = { campaign: Campaign; owner: string; cursor: string };
export type Taken =
  | { kind: 'idle' | 'wait' }
  | { kind: 'key'; key: string }
  | ({ kind: 'page' } & Page)
  | ({ kind: 'walk' } & Walk);
export type Shown = {
  nowMs: number;
  state: Readonly<Record<string, string>>;
  counts: Counts;
  owners: readonly string[];
};

const isTextList = (value: unknown): value is (string | null)[] =>
  Array.isArray(value) && value.every((item) => item === null || typeof item === 'string');

const unexpected = () => new AppError('store_unavailable', { detail: 'unexpected answer' });

const textsOf = (value: unknown): string[] => {
  if (!isTextList(value)) throw unexpected();
  return value.map((item) => item ?? '');
};

const pairsOf = (value: unknown): [string, string][] => {
  const flat = textsOf(value);
  return flat
    .flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as const] : []))
    .map(([name, text]) => [name, text]);
};

const argsOf = (counts: Counts): string[] =>
  Object.entries(counts).flatMap(([name, n]) => (n === 0 ? [] : [name, String(n)]));

const writeRows = (rows: readonly Row[]): string =>
  rows.length === 0 ? '' : JSON.stringify(rows.map(({ u, name, format }) => [u, name, format]));

const readRows = (text: string): Row[] => {
  const rows: unknown = JSON.parse(text);
  if (!Array.isArray(rows)) throw unexpected();
  return rows.map((row) => {
    const [u = '', name = '', format = ''] = textsOf(row);
    return { u, name, format };
  });
};

export const createDesk = (options: {
  redis: RedisClient;
  /** Names this boot of this node; no spaces. */
  nodeId: string;
  bootId: string;
  /** The records are in somebody else's table. */
  isTable?: boolean;
  leaseMs?: number;
}) => {
  const { redis, nodeId, bootId, isTable = false, leaseMs = 5000 } = options;
  const flag = (isSet: boolean) => (isSet ? 1 : 0);
  const sendStart = defineScript(redis, startScript);
  const sendSteer = defineScript(redis, steerScript);
  const sendTake = defineScript(redis, takeScript);
  const sendAdvance = defineScript(redis, advanceScript);
  const sendReport = defineScript(redis, reportScript);
  const sendShow = defineScript(redis, showScript);
  let taken = 0;

  /** False: another campaign is under way. True also of one that is refused: it is shown as that. */
  const start = async (
    id: string,
    { isDryRun, key, isForced, share }: Options,
  ): Promise<boolean> => {
    const args = [id, flag(isDryRun), key, flag(isForced), share, flag(isTable)];
    return (await sendStart(keys, args)) === 1;
  };

  /** False: there is none under way. */
  const steer = async (verb: 'pause' | 'resume' | 'cancel'): Promise<boolean> =>
    (await sendSteer(keys, [verb])) === 1;

  /** In force within a second. False: there is none under way. */
  const setShare = async (share: number): Promise<boolean> =>
    (await sendSteer(keys, ['share', share])) === 1;

  const take = async (keyIds: readonly string[]): Promise<Taken> => {
    const boot = `${nodeId} ${bootId} `;
    const owner = `${boot}${++taken}`;
    const [kind, id = '', status, key = '', force, share, ...rest] = textsOf(
      await sendTake(keys, [owner, leaseMs, boot, ...keyIds]),
    );
    if (kind === 'key') return { kind, key: id };
    if (kind !== 'page' && kind !== 'walk') return { kind: kind === 'wait' ? 'wait' : 'idle' };
    const isCounting = status === 'counting';
    const campaign = { id, isCounting, key, isForced: force === '1', share: Number(share) };
    const [first = '', second = ''] = rest;
    if (kind === 'walk') return { kind, campaign, owner, cursor: first };
    return { kind, campaign, owner, page: first, rows: readRows(second) };
  };

  /** The page of these rows, if there are any; undefined also when somebody else has gone on. */
  const advance = async (
    { campaign, owner, cursor }: Walk,
    next: string,
    { rows, counts }: { rows: Row[]; counts: Counts },
  ): Promise<Page | undefined> => {
    const text = writeRows(rows);
    const args = [owner, campaign.id, cursor, next, text, leaseMs, ...argsOf(counts)];
    const page = await sendAdvance(keys, args);
    return typeof page === 'string' && page !== '' ? { campaign, owner, page, rows } : undefined;
  };

  /** Whether to go on with what is left. `isLeaving` gives it to whoever asks next. */
  const report = async (
    { campaign, owner, page }: Page,
    left: readonly Row[],
    { counts, isLeaving }: { counts: Counts; isLeaving: boolean },
  ): Promise<boolean> => {
    const lease = isLeaving ? 0 : leaseMs;
    const rows = writeRows(left);
    const args = [owner, campaign.id, page, rows, lease, campaign.share, ...argsOf(counts)];
    return (await sendReport(keys, args)) === 1;
  };

  const show = async (): Promise<Shown> => {
    const answer: unknown = await sendShow(keys, []);
    if (!Array.isArray(answer)) throw unexpected();
    const [now, state, counts, owners] = answer;
    return {
      nowMs: Number(now),
      state: Object.fromEntries(pairsOf(state)),
      counts: Object.fromEntries(pairsOf(counts).map(([name, n]) => [name, Number(n)])),
      owners: textsOf(owners),
    };
  };

  return { start, steer, setShare, take, advance, report, show };
};
