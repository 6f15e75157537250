/**
 * What the campaign bench stands on: a gateway in front of cheap nodes that can be killed, accounts
 * whose hashes are up to date and who sign in all the time, and as many unsalted md5 records as wanted.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFleet } from '../fleet.js';
import { createLoad } from '../open/load.js';
import { clientsPerSlot, pidsOf, type Rig } from '../open/rig.js';
import { type Peer, startPeer } from '../peer.js';
import type { Options } from '../report.js';
import { createUsers, forwardedLogins } from '../users.js';
import type { CheapNodeCalls } from './cheap-node.js';
import { runCommand } from './command.js';
import { writeImportFile } from './import-file.js';

/** A twentieth of the default cost and less. */
export const cheap = { memoryKiB: 1024, passes: 1, lanes: 1 };
export const keyId = 'bench';

export type CampaignRig = Rig & {
  pids: () => number[];
  /** SIGKILL to every node, then as many new ones. */
  replaceNodes: () => Promise<void>;
};

const startNodes = async (
  count: number,
  env: Record<string, string>,
): Promise<Peer<CheapNodeCalls>[]> => {
  const start = async (at: number) => {
    const peer = startPeer<CheapNodeCalls>('legacy/cheap-node.ts');
    const own = { NODE_ID: `cheap-${at}`, HASH_THREADS: '1' };
    await peer.ask('start', { env: { ...env, ...own }, target: cheap });
    return peer;
  };
  return Promise.all(Array.from({ length: count }, (_, at) => start(at)));
};

type CampaignSizes = {
  nodes: number;
  rows: number;
  users: number;
  rampMs: number;
  warmUpMs: number;
};

export const openCampaignRig = async (
  options: Options,
  { nodes, rows, users: userCount, rampMs, warmUpMs }: CampaignSizes,
): Promise<CampaignRig> => {
  options.progress('starting');
  const gatewayEnv = { TRUSTED_PROXIES: '127.0.0.1' };
  const fleet = await startFleet({ nodes: 0, threadsPerNode: 1, gatewayEnv });
  const keys = `${keyId}:${randomBytes(32).toString('base64')}`;
  const env = { ...fleet.nodeEnv, PASSWORD_KEYS: keys };
  try {
    let peers = await startNodes(nodes, env);
    fleet.onStop(() => Promise.all(peers.map((peer) => peer.stop())));
    await sleep(rampMs);
    options.progress(`importing ${rows} md5 records`);
    const file = join(fleet.dir, 'md5.ndjson');
    await writeImportFile(file, { count: rows, mix: 'md5' });
    await runCommand(fleet, ['users', 'import', file]);
    await runCommand(fleet, ['users', 'import', file, '--commit']);
    const cost = { memoryCost: cheap.memoryKiB, timeCost: cheap.passes, parallelism: cheap.lanes };
    const users = await createUsers(fleet, userCount, cost);
    const target = { host: '127.0.0.1', port: fleet.port };
    const load = await createLoad({ target, groups: { all: forwardedLogins(users) } });
    fleet.onStop(load.stop);
    options.progress(`warming up for ${warmUpMs / 1000} s`);
    await load.capacity(clientsPerSlot * nodes, warmUpMs);
    const rig = { fleet, load, users, options, slots: nodes };
    return {
      ...rig,
      pids: () => [...pidsOf(rig), ...peers.map(({ pid }) => pid)],
      replaceNodes: async () => {
        await Promise.all(peers.map((peer) => peer.stop()));
        peers = await startNodes(nodes, env);
      },
    };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
};
