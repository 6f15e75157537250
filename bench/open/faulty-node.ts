/**
 * A node that misbehaves on purpose, a process of its own: a real worker registers with a socket
 * directory that edges see as theirs, but the socket they find there is ours. We pass everything on
 * to the real one, until we are told to fail: then every request, probes included, gets 500 at once.
 */
import { readdirSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { serve } from '../peer.js';

type Mode = 'pass' | 'fail';

let mode: Mode = 'pass';
let failed = 0;

const fail = (req: IncomingMessage, res: ServerResponse) => {
  failed++;
  req.resume();
  res.writeHead(500, { 'content-type': 'application/json' });
  res.end('{"error":"internal"}');
};

const pass = (socketPath: string, req: IncomingMessage, res: ServerResponse) => {
  const { method, url, headers } = req;
  const onward = request({ socketPath, method, path: url, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  onward.on('error', () => res.destroy());
  req.pipe(onward);
};

const calls = {
  /** Resolves when edges reach us instead of the worker in `behind`. */
  stand: ({ runtimeDir, behind }: { runtimeDir: string; behind: string }) => {
    const name = readdirSync(behind).find((file) => file.endsWith('.sock'));
    if (name === undefined) throw new Error(`no socket in ${behind}`);
    const server = createServer({ keepAliveTimeout: 65_000 }, (req, res) => {
      if (mode === 'fail') fail(req, res);
      else pass(join(behind, name), req, res);
    });
    return new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(runtimeDir, name), resolve);
    });
  },
  setMode: (next: Mode) => {
    mode = next;
  },
  failed: () => failed,
};
export type FaultyCalls = typeof calls;

serve(calls);
