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
  const { env, argv } = process;
  let hangups = 0;
  process.on('SIGHUP', () => {
    hangups++;
  });
  const server = createServer((_req, res) => {
    res.end(JSON.stringify({ env, argv, pid: process.pid, edge: edge.pid, hangups }));
  });
  const drain = () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  };
  process.once('SIGTERM', drain);
  process.once('disconnect', drain);
  server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send('ready'));
}
