/**
 * Connections to a certain edge. All edges share one port, so connections are opened until the kernel
 * (Linux's /proc) says that the right process holds the other end.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Answer, openWire, type Target } from '../wire.js';

export type Line = { ask: (request: string) => Promise<Answer>; close: () => void };
type Waiting = { resolve: (answer: Answer) => void; reject: (error: Error) => void };

const maxTries = 200;
const health = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** Ports stand in hexadecimal digits behind the address. */
const portOf = (address = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16);

/** The socket of the server's end of the connection that leaves from `port`. */
const findInode = (serverPort: number, port: number): string | undefined =>
  readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((fields) => portOf(fields[1]) === serverPort && portOf(fields[2]) === port)?.[9];

const readLink = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
};

const holds = (pid: number, inode: string): boolean =>
  readdirSync(`/proc/${pid}/fd`).some(
    (fd) => readLink(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
  );

const openAnywhere = async (target: Target) => {
  let waiting: Waiting | undefined;
  let isOpen = true;
  const settle = (): Waiting | undefined => {
    const settled = waiting;
    waiting = undefined;
    return settled;
  };
  const lost = () => {
    isOpen = false;
    settle()?.reject(new Error('an edge closed a connection in use'));
  };
  const answered = (answer: Answer) => {
    if (answer.closes) isOpen = false;
    settle()?.resolve(answer);
  };
  const wire = await openWire(target, answered, lost);
  return {
    port: wire.port,
    isOpen: () => isOpen,
    close: wire.close,
    ask: (request: string) =>
      new Promise<Answer>((resolve, reject) => {
        waiting = { resolve, reject };
        wire.send(Buffer.from(request));
      }),
  };
};

const openTo = async (target: Target, pid: number) => {
  for (let tries = 0; tries < maxTries; tries++) {
    const line = await openAnywhere(target);
    // Once it has answered, a process has accepted it.
    await line.ask(health);
    const inode = findInode(target.port, line.port);
    if (inode !== undefined && holds(pid, inode)) return line;
    line.close();
  }
  throw new Error(`${maxTries} connections, and none reached edge ${pid}`);
};

/** One request at a time. A connection that the edge has closed is replaced. */
export const openEdgeLine = async (target: Target, pid: number): Promise<Line> => {
  let line = await openTo(target, pid);
  return {
    ask: async (request) => {
      if (!line.isOpen()) line = await openTo(target, pid);
      return line.ask(request);
    },
    close: () => line.close(),
  };
};
