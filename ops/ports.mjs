/**
 * Are the ports free? Asked before anything is started, so that the most common mistake gets one line
 * at once instead of a system that comes half up.
 */
import { createServer } from 'node:net';
import { codeOf } from './files.mjs';
import { Refusal } from './refusal.mjs';

/**
 * The error code of listening there, or undefined.
 * @param {string} host
 * @param {number} port
 * @returns {Promise<string | undefined>}
 */
const tryListen = (host, port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(codeOf(error)));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });

/** @type {Record<string, (port: number, host: string, name: string) => string>} */
const advice = {
  EADDRINUSE: (port, _host, name) =>
    `Port ${port} is taken by another program. Stop that program or choose another port: ${name}=${port + 1} npm start`,
  EACCES: (port, _host, name) =>
    `Port ${port} needs more rights than we have. Choose one above 1023: ${name}=8080 npm start`,
  EADDRNOTAVAIL: (_port, host, name) =>
    `${host} is not an address of this machine. Set ${name.replace('PORT', 'HOST')} to one that is.`,
};

/** Throws Refusal naming the setting. @param {string} host @param {number} port @param {string} name */
export const checkPort = async (host, port, name) => {
  const code = await tryListen(host, port);
  if (code === undefined) return;
  const explain = advice[code];
  throw new Refusal(explain?.(port, host, name) ?? `Cannot listen on ${host}:${port} (${code}).`);
};
