/** A server with some routes at a port of its own, and a client that sends what no library would. */
import { connect } from 'node:net';
import type { Test } from 'tap';
import { createHttp, type HttpOptions } from '../http.js';

const log = { error: () => {}, warn: () => {} };

export const serveRoutes = async (
  t: Pick<Test, 'teardown'>,
  options: Pick<HttpOptions, 'routes'> & Partial<HttpOptions>,
) => {
  const http = createHttp({ log, ...options });
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve));
  const address = http.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  t.teardown(() => {
    http.server.closeAllConnections();
    http.server.close();
  });
  return { ...http, port };
};

/** Sends bytes, reads until the server closes or `until` is seen. */
export const raw = (port: number, bytes: string | Buffer, until?: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(new Error('no answer in 8 s')), 8000);
    socket.on('data', (data) => {
      answer += data.toString();
      if (until?.test(answer)) socket.destroy();
    });
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
