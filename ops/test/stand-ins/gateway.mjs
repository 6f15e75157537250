/**
 * A gateway that shows its environment: one child process like an edge, an answer that lists what it
 * was given. The edge exits when its channel closes, as the real one does.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';

if (process.argv[2] === 'edge') {
  process.once('disconnect', () => process.exit(0));
  if (!process.connected) process.exit(0); // the parent died while we were loading
  setInterval(() => {}, 1000);
} else {
  const edge = fork(process.argv[1], ['edge'], { stdio: 'ignore' });
  const server = createServer((_req, res) => {
    res.end(
      JSON.stringify({ env: process.env, argv: process.argv, pid: process.pid, edge: edge.pid }),
    );
  });
  const drain = () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  };
  process.once('SIGTERM', drain);
  process.once('disconnect', drain);
  server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send('ready'));
}
