/**
 * Just enough of the Redis protocol to ask a server how it is: one connection, AUTH, one command, one
 * answer. The launcher runs before any package is installed, so it cannot use a client.
 */
import { connect } from 'node:net';

/** @param {string[]} words */
const encode = (words) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;

/**
 * First reply in the text and what follows it; undefined while it is incomplete. Bulk lengths are in
 * bytes, hence latin1 throughout.
 * @param {string} text
 * @returns {{ reply: string, rest: string } | undefined}
 */
const decode = (text) => {
  const end = text.indexOf('\r\n');
  if (end < 0) return undefined;
  const rest = text.slice(end + 2);
  if (text[0] !== '$') return { reply: text.slice(0, end), rest };
  const length = Number(text.slice(1, end));
  if (length < 0) return { reply: '', rest }; // nil
  if (rest.length < length + 2) return undefined;
  return { reply: rest.slice(0, length), rest: rest.slice(length + 2) };
};

/**
 * The answer of one command: text, `+OK`, or an error line `-CODE …`. Rejects when nobody listens, the
 * connection breaks or the time is up. Answers with arrays are not understood.
 * @param {{ socket: string, user: string, password: string, timeoutMs?: number }} server
 * @param {string[]} command
 * @returns {Promise<string>}
 */
export const callRedis = ({ socket, user, password, timeoutMs = 1000 }, command) =>
  new Promise((resolve, reject) => {
    const client = connect(socket, () => {
      client.write(encode(['AUTH', user, password]) + encode(command), 'latin1');
    });
    let text = '';
    const fail = (/** @type {Error} */ error) => {
      client.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error('no answer in time')), timeoutMs);
    client.setEncoding('latin1');
    client.on('data', (data) => {
      text += data;
      const auth = decode(text);
      if (auth === undefined) return;
      const answer = auth.reply.startsWith('-') ? auth : decode(auth.rest);
      if (answer === undefined) return;
      client.destroy();
      resolve(answer.reply);
    });
    client.once('error', fail);
    client.once('close', () => {
      clearTimeout(timer);
      reject(new Error('connection closed'));
    });
  });
