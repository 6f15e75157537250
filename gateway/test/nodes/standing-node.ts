/**
 * A node as a process of its own, so that it can be stopped: `node standing-node.ts SOCKET WORK_MS`. Its work
 * is done in pieces, so that it gets no further while it is stopped. Says how many requests it has seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { reply, startNode, verdictFor } from './fake-node.js';

const [path = '', workMs = ''] = process.argv.slice(2);
const pieceMs = 10;

const node = await startNode(
  { teardown: () => {} },
  {
    path,
    handler: async (res, seen) => {
      process.send?.(node.seen.length);
      for (let done = 0; done < Number(workMs); done += pieceMs) await sleep(pieceMs);
      reply(res, 200, verdictFor(seen, 'boot-1'));
    },
  },
);
process.send?.(0);
process.on('disconnect', () => process.exit());
