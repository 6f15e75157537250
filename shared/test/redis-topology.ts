/**
 * Real Redis Clusters and Sentinel sets of the test's own, on free ports of 127.0.0.1 with data in
 * temporary directories. Every server can be stopped in any way and started again on its data.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRedis, quitRedis } from '../redis.js';
import { whenReady } from '../redis-calls.js';
import { exited, findServer } from './redis-server.js';

type Test = { teardown(fn: () => unknown): void };
export type Member = {
  port: number;
  pid: () => number;
  /** A command on a connection of its own. */
  ask: (...command: (string | number)[]) => Promise<unknown>;
  stop: (signal?: NodeJS.Signals) => Promise<void>;
  start: () => Promise<void>;
};
export type TlsPair = { cert: string; key: string; ca: string };
type Options = { args?: string[]; tls?: TlsPair };

const host = '127.0.0.1';
const quiet = { info: () => {}, warn: () => {} };

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });

const taken = new Set<number>();

/** A port whose cluster bus (10,000 above) is free too; below what the kernel hands out by itself. */
const findPort = async (): Promise<number> => {
  for (let tries = 0; tries < 500; tries++) {
    const port = 10_500 + Math.floor(Math.random() * 11_000);
    if (taken.has(port) || !(await isFree(port)) || !(await isFree(port + 10_000))) continue;
    taken.add(port);
    return port;
  }
  throw new Error('no free port');
};

/** Until `check` gives something else than undefined or false. */
const eventually = async <T>(what: string, check: () => Promise<T>, boundMs = 20_000) => {
  const end = Date.now() + boundMs;
  for (;;) {
    const found = await check().catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`not within ${boundMs} ms: ${what}`);
    await sleep(50);
  }
};

const tlsArgs = ({ cert, key, ca }: TlsPair, port: number) => [
  ...['--port', '0', '--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key],
  ...['--tls-ca-cert-file', ca, '--tls-auth-clients', 'no', '--tls-replication', 'yes'],
];

/** One server process; `role` is the name that decides what the program is. */
const createMember = (
  dir: string,
  port: number,
  more: {
    role: 'server' | 'sentinel';
    args: string[];
    tls?: TlsPair | undefined;
    password?: string | undefined;
  },
) => {
  const { role, args, tls, password } = more;
  mkdirSync(dir, { recursive: true });
  let child: ChildProcess | undefined;
  const user = password === undefined ? '' : `:${password}@`;
  const url = tls ? `rediss://${host}:${port}?ca=${tls.ca}` : `redis://${user}${host}:${port}`;

  const ask = async (...command: (string | number)[]): Promise<unknown> => {
    const client = connectRedis({ url, name: 'test', log: quiet, commandTimeoutMs: 5000 });
    try {
      await whenReady(client, 5000);
      const [name = '', ...rest] = command.map(String);
      return await client.call(name, ...rest);
    } finally {
      await quitRedis(client);
    }
  };

  const start = async () => {
    const started = spawn(findServer(), args, {
      argv0: `redis-${role}`,
      stdio: 'ignore',
      cwd: dir,
    });
    child = started;
    await eventually(`redis-${role} on ${port}`, async () => {
      if (started.exitCode !== null) throw new Error(`redis exited with ${started.exitCode}`);
      return (await ask('PING')) === 'PONG';
    });
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child?.kill(signal);
    if (child && signal !== 'SIGSTOP' && signal !== 'SIGCONT') await exited(child);
  };

  return { port, pid: () => child?.pid ?? 0, ask, start, stop };
};

/** Ends whatever was started, also when the start failed half way. */
const createHerd = (t: Test) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-redis-'));
  const members: Member[] = [];
  t.teardown(async () => {
    await Promise.all(members.map((member) => member.stop('SIGKILL')));
    rmSync(dir, { recursive: true, force: true });
  });
  const server = async (more: string[], { args = [], tls }: Options): Promise<Member> => {
    const port = await findPort();
    const own = join(dir, String(port));
    const member = createMember(own, port, {
      role: 'server',
      tls,
      args: [
        ...(tls ? tlsArgs(tls, port) : ['--port', String(port)]),
        ...['--bind', host, '--dir', own, '--save', '', '--daemonize', 'no'],
        ...['--appendonly', 'yes', '--appendfsync', 'no', '--maxmemory-policy', 'noeviction'],
        ...['--repl-diskless-sync-delay', '0', ...more, ...args],
      ],
    });
    members.push(member);
    await member.start();
    return member;
  };
  return { dir, members, server };
};

const isSynced = async (member: Member): Promise<boolean> =>
  /master_link_status:up/.test(String(await member.ask('INFO', 'replication')));

/** Three shards with one replica each; `shards[i]` is [master, replica] at the start. */
export const startCluster = async (t: Test, options: Options = {}) => {
  const herd = createHerd(t);
  const clusterArgs = [
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500'],
    ...['--cluster-require-full-coverage', 'no', '--cluster-config-file', 'nodes.conf'],
    ...(options.tls ? ['--tls-cluster', 'yes'] : []),
  ];
  const members = await Promise.all(
    Array.from({ length: 6 }, () => herd.server(clusterArgs, options)),
  );
  const masters = members.slice(0, 3);
  const replicas = members.slice(3);
  const ends = [0, 5461, 10_923, 16_384];
  for (const [i, master] of masters.entries()) {
    await master.ask('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    await master.ask('CLUSTER', 'ADDSLOTSRANGE', ends[i] ?? 0, (ends[i + 1] ?? 0) - 1);
  }
  for (const member of members.slice(1))
    await members[0]?.ask('CLUSTER', 'MEET', host, member.port);
  const countKnown = async (member: Member) =>
    String(await member.ask('CLUSTER', 'NODES'))
      .split('\n')
      .filter((line) => /:\d/.test(line) && !/handshake|noaddr/.test(line)).length;
  for (const member of members)
    await eventually('all know all', async () => (await countKnown(member)) === 6);
  for (const [i, replica] of replicas.entries())
    await replica.ask('CLUSTER', 'REPLICATE', String(await masters[i]?.ask('CLUSTER', 'MYID')));
  for (const replica of replicas) await eventually('replica', () => isSynced(replica));
  const isWhole = async (member: Member) => {
    const info = String(await member.ask('CLUSTER', 'INFO'));
    return /cluster_state:ok/.test(info) && /cluster_slots_ok:16384/.test(info);
  };
  const isMapped = async (member: Member) =>
    String(await member.ask('CLUSTER', 'NODES')).match(/\bslave [0-9a-f]{40}/g)?.length === 3;
  for (const member of members)
    await eventually('cluster', async () => (await isWhole(member)) && (await isMapped(member)));
  const scheme = options.tls ? 'rediss+cluster' : 'redis+cluster';
  const query = options.tls ? `?ca=${options.tls.ca}` : '';
  const list = members.map(({ port }) => `${host}:${port}`).join(',');

  /** The member that answers as master for `slot`, as the members that live see it. */
  const masterOf = async (slot: number): Promise<Member> => {
    for (const member of members) {
      const map = await member.ask('CLUSTER', 'SLOTS').catch(() => []);
      for (const row of Array.isArray(map) ? map : []) {
        if (!Array.isArray(row) || !(row[0] <= slot && slot <= row[1])) continue;
        const found = members.find(({ port }) => port === row[2][1]);
        if (found) return found;
      }
    }
    throw new Error('no master');
  };

  return {
    url: `${scheme}://${list}${query}`,
    urlWith: (user: string) => `${scheme}://${user}@${list}${query}`,
    members,
    shards: masters.flatMap((master, i) => {
      const replica = replicas[i];
      return replica === undefined ? [] : [[master, replica] as const];
    }),
    masterOf,
  };
};

/** The same as lines of a configuration file. */
const asLines = (args: readonly string[]): string[] =>
  args.flatMap((name, i) => (i % 2 === 0 ? [`${name.slice(2)} ${args[i + 1]}`] : []));

/** One master, two replicas, three Sentinels with a quorum of two. */
export const startSentinel = async (t: Test, options: Options & { password?: string } = {}) => {
  const herd = createHerd(t);
  const first = await herd.server([], options);
  const replicas = await Promise.all(
    [1, 2].map(() => herd.server(['--replicaof', `${host} ${first.port}`], options)),
  );
  for (const replica of replicas) await eventually('replica', () => isSynced(replica));
  const { password, tls } = options;
  const openSentinel = async () => {
    const port = await findPort();
    const own = join(herd.dir, String(port));
    mkdirSync(own);
    writeFileSync(
      join(own, 'sentinel.conf'),
      [
        ...asLines(tls ? tlsArgs(tls, port) : ['--port', String(port)]),
        ...[`bind ${host}`, `dir ${own}`],
        `sentinel monitor mymaster ${host} ${first.port} 2`,
        'sentinel down-after-milliseconds mymaster 1000',
        'sentinel failover-timeout mymaster 5000',
        ...(password === undefined
          ? []
          : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
        '',
      ].join('\n'),
    );
    const member = createMember(own, port, {
      role: 'sentinel',
      password,
      tls,
      args: [join(own, 'sentinel.conf'), '--sentinel'],
    });
    herd.members.push(member);
    return member;
  };
  const sentinels: Member[] = [];
  for (let i = 0; i < 3; i++) {
    const sentinel = await openSentinel();
    await sentinel.start();
    sentinels.push(sentinel);
  }
  const servers = [first, ...replicas];
  for (const sentinel of sentinels)
    await eventually('sentinels know each other and the replicas', async () => {
      const text = String(await sentinel.ask('INFO', 'sentinel'));
      return /status=ok,.*slaves=2,sentinels=3/.test(text);
    });
  const scheme = tls ? 'rediss+sentinel' : 'redis+sentinel';
  const query = tls ? `?ca=${tls.ca}` : '';
  const list = sentinels.map(({ port }) => `${host}:${port}`).join(',');

  return {
    url: `${scheme}://${list}/mymaster${query}`,
    urlWith: (user: string) => `${scheme}://${user}@${list}/mymaster${query}`,
    servers,
    sentinels,
    master: async (): Promise<Member> => {
      for (const sentinel of sentinels) {
        const address = await sentinel
          .ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')
          .catch(() => undefined);
        const found = servers.find(
          ({ port }) => Array.isArray(address) && String(port) === String(address[1]),
        );
        if (found) return found;
      }
      throw new Error('no master');
    },
  };
};
