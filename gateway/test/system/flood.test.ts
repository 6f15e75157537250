/**
 * More logins than an edge can look at, on connections that are kept: it refuses unread what it has
 * no time for, reads from those later, and serves on.
 */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { getPriority } from 'node:os';
import t from 'tap';
import { niceOfHelpers } from '../../../shared/helper-threads.js';
import { type Fleet, startFleet, textOf, until } from './fleet.js';

const connections = 60;
/** Pipelined, so that this process is no slower than the edge. */
const together = 10;

const shedBehind = async (fleet: Fleet): Promise<number> => {
  const line = /^floodgate_node_shed_total\{.*reason="behind".*\} (\d+)/m;
  return Number(line.exec(await fleet.metrics())?.[1] ?? 0);
};

let sent = 0;
/** Each of somebody else, at another address. */
const newLogin = (): string => {
  sent++;
  const body = JSON.stringify({ username: `nobody-${sent}`, password: 'not the right one' });
  const address = `100.${(sent >> 16) & 255}.${(sent >> 8) & 255}.${sent & 255}`;
  return `POST /v1/login HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

/** Sends logins on one connection, some at a time, until `isOver`; resolves to the statuses. */
const crowdIn = (port: number, isOver: () => boolean): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const statuses: string[] = [];
    let expected = 0;
    let rest = '';
    const next = () => {
      expected += together;
      socket.write(Array.from({ length: together }, newLogin).join(''));
    };
    const socket = connect(port, '127.0.0.1', next);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      const seen = rest + text;
      const found = [...seen.matchAll(/HTTP\/1\.1 (\d{3})/g)];
      statuses.push(...found.map(([, status = '']) => status));
      const last = found.at(-1);
      // A status line may come in two pieces.
      rest = seen.slice(Math.max(seen.length - 11, last === undefined ? 0 : last.index + 12));
      if (statuses.length < expected) return;
      if (isOver()) socket.end(() => resolve(statuses));
      else next();
    });
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new Error(`closed after ${statuses.length} of ${expected} answers`)),
    );
  });

/** Of the threads beside the main one. */
const nicesOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .filter((tid) => tid !== pid)
    .map((tid) => getPriority(tid));

t.setTimeout(180_000);

t.test('a crowd at one edge', async (t) => {
  const fleet = await startFleet(t, {
    nodes: 1,
    edges: 1,
    env: { TRUSTED_PROXIES: '127.0.0.1' },
  });
  await fleet.register('x');
  const token = textOf(await fleet.signIn('x'), 'access_token');
  t.equal(await shedBehind(fleet), 0);
  for (const pid of [fleet.edgePids()[0] ?? 0, fleet.nodes[0]?.child.pid ?? 0]) {
    t.equal(getPriority(pid), 0);
    const lowered = nicesOf(pid).filter((nice) => nice === niceOfHelpers);
    t.equal(lowered.length, 5, 'what compiles and collects garbage gives way');
  }

  let isOver = false;
  const crowd = Array.from({ length: connections }, () => crowdIn(fleet.port, () => isOver));
  const checks: number[] = [];
  const check = async () => {
    checks.push((await fleet.verify(token)).status);
  };
  await until(
    'some are refused unread',
    async () => {
      await check();
      return (await shedBehind(fleet)) > 100;
    },
    60_000,
  );
  isOver = true;
  const statuses = (await Promise.all(crowd)).flat();
  t.equal(statuses.length, sent, 'everybody has an answer');
  const different = new Set(statuses);
  t.ok(different.has('401') && different.has('503'), 'some are served, some refused');
  for (const status of ['401', '503', '504']) different.delete(status);
  t.same([...different], []);
  t.ok(
    checks.every((status) => status === 200),
    'token checks are answered',
  );
  t.equal((await fleet.signIn('x')).status, 200, 'and logins afterwards');

  const audited = () => fleet.logLines().filter(({ client }) => String(client).startsWith('100.'));
  await until('each answer has its line', () => audited().length >= sent, 60_000);
  t.equal(audited().length, sent);
});
