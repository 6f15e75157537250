/**
 * The least that a `node:http` server can do for the same answer: one process, constant headers, no
 * routing, no check. What a token check is measured against.
 */
import { createServer } from 'node:http';
import { serve } from './peer.js';

const calls = {
  listen: ({ headers, body }: { headers: Record<string, string>; body: string }) =>
    new Promise<number>((resolve) => {
      const server = createServer({ noDelay: true }, (_req, res) => {
        res.writeHead(200, headers);
        res.end(body);
      });
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    }),
};
export type BareCalls = typeof calls;

serve(calls);
