/**
 * The measuring behind the import bench: a big file through `floodgate users import`, first the dry
 * run, then the writing, with the memory of everybody who takes part; then a second file whose import
 * is killed at random points and resumed until it is through.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, startFleet } from '../fleet.js';
import type { Options } from '../report.js';
import { runCommand, startCommand } from './command.js';
import { writeImportFile } from './import-file.js';
import { type Records, readRecords } from './records.js';
import { signInSome } from './sign-in.js';
import { type Usage, watchUsage } from './usage.js';

export type Imported = {
  rows: number;
  dryPerSecond: number;
  perSecond: number;
  usage: Record<string, Usage>;
  records: Records;
  signIns: { tried: number; ok: number };
  killed: { rows: number; kills: number; records: Records };
};

export const defaultRows = 1_000_000;
export const sizes = { nodes: 2, kills: 3, samples: 30 };
/** Every third row is one whose password is known. */
const known = { first: 2, step: 3 };
/** Redis moves its tables a little longer than it answers. */
const settleMs = 1000;

const pidsOf = (fleet: Fleet, kind: string): number[] =>
  fleet.processes().flatMap((one) => (one.kind === kind ? [one.pid] : []));

const commit = async (fleet: Fleet, file: string, rows: number) => {
  const dry = await runCommand(fleet, ['users', 'import', file]);
  const command = startCommand(fleet, ['users', 'import', file, '--commit']);
  const endWatch = watchUsage({
    command: [command.pid],
    ...{ admin: pidsOf(fleet, 'admin'), nodes: pidsOf(fleet, 'nodes') },
    redis: pidsOf(fleet, 'redis'),
  });
  const { code, output, tookMs } = await command.ended;
  const usage = endWatch();
  if (code !== 0) throw new Error(`the import ended with ${code}\n${output.slice(-1500)}`);
  const perSecond = (rows * 1000) / tookMs;
  return { dryPerSecond: (rows * 1000) / dry.tookMs, perSecond, usage };
};

/** Kills it again and again after a random part of what it should take, then lets it finish. */
const commitKilled = async (
  fleet: Fleet,
  file: string,
  { expectedMs, kills }: { expectedMs: number; kills: number },
): Promise<number> => {
  await runCommand(fleet, ['users', 'import', file]);
  const meanMs = expectedMs / (kills + 1);
  let killed = 0;
  for (let at = 0; at < kills; at++) {
    const resume = at === 0 ? [] : ['--resume'];
    const command = startCommand(fleet, ['users', 'import', file, '--commit', ...resume]);
    await Promise.race([sleep(2 * Math.random() * meanMs), command.ended]);
    command.kill();
    const { code } = await command.ended;
    if (code === 0) return killed;
    killed++;
  }
  await runCommand(fleet, ['users', 'import', file, '--commit', '--resume']);
  return killed;
};

export const measureImport = async (options: Options, its = sizes): Promise<Imported> => {
  const rows = options.rows ?? defaultRows;
  const moreRows = Math.max(1, Math.floor(rows / 5));
  options.progress('starting');
  const fleet = await startFleet({
    ...{ nodes: its.nodes, threadsPerNode: 1 },
    profile: options.profile,
  });
  try {
    const [first, second] = [join(fleet.dir, 'first.ndjson'), join(fleet.dir, 'second.ndjson')];
    options.progress(`writing a file of ${rows} rows`);
    await writeImportFile(first, { count: rows, mix: 'all' });
    await writeImportFile(second, { first: rows, count: moreRows, mix: 'all' });
    options.progress(`importing ${rows} rows`);
    const measured = await commit(fleet, first, rows);
    rmSync(first);
    await sleep(settleMs);
    const records = await readRecords(fleet.redis);
    const signIns = await signInSome(fleet, { ...known, end: rows, count: its.samples });
    options.progress(`importing ${moreRows} rows, killed and resumed`);
    const expectedMs = (moreRows * 1000) / measured.perSecond;
    const count = await commitKilled(fleet, second, { expectedMs, kills: its.kills });
    await sleep(settleMs);
    const all = await readRecords(fleet.redis);
    const killed = { rows: moreRows, kills: count, records: all };
    return { rows, ...measured, records, signIns, killed };
  } finally {
    await fleet.stop();
  }
};
