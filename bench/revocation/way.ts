/**
 * The gateway's way to Redis, on which the revocation log can be cut while everything else goes on:
 * the hardest case, for revocations are then acknowledged that no other edge hears of. A connection is
 * the log's when it reads the stream.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export type Way = Awaited<ReturnType<typeof openWay>>;

const reading = /\r\n(xread|xrange|xrevrange)\r\n/i;

/** `path`: where it listens; `to`: the socket of the server. */
export const openWay = async (path: string, to: string) => {
  const logs = new Set<Socket>();
  const open = new Set<Socket>();
  let isCut = false;
  let onHeard = () => {};

  const join = (near: Socket) => {
    const far = connect(to);
    let isLog = false;
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        open.delete(one);
        logs.delete(one);
        other.destroy();
      });
    }
    near.on('data', (bytes: Buffer) => {
      if (!isLog && reading.test(bytes.toString('latin1'))) {
        isLog = true;
        logs.add(near);
        far.once('data', () => onHeard());
      }
      if (isLog && isCut) near.destroy();
      else far.write(bytes);
    });
    far.on('data', (bytes: Buffer) => near.write(bytes));
  };

  const server = createServer(join).listen(path);
  await once(server, 'listening');

  return {
    cutLog: () => {
      isCut = true;
      for (const socket of logs) socket.destroy();
    },
    /** Resolves when `readers` have had an answer from the log again. */
    mendLog: (readers: number): Promise<void> => {
      isCut = false;
      let left = readers;
      return new Promise((resolve) => {
        onHeard = () => {
          left--;
          if (left === 0) resolve();
        };
      });
    },
    close: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
};
