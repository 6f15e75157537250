/**
 * Heads of answers that are given again and again, made once. `writeHead` looks at every header of
 * every answer anew, which takes a sixth of a token check, and Node has no public way to hand it a
 * finished head. `end` sends what `writeHead` left in `_header`, so a head can be left there instead;
 * whether this Node does so is tried at the start, and where it does not, `writeHead` goes on.
 */
import { IncomingMessage, ServerResponse, STATUS_CODES, validateHeaderValue } from 'node:http';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { Head, Reply } from './http-route.js';

type Sender = ServerResponse & { _header?: string | null };

/**
 * `reply`, to be given more than once. Throws for a header value that is none. Joined, not added up: V8
 * would keep the pieces, and put them together again at every answer.
 */
export const withHead = (reply: { status: number; headers: Record<string, string> }): Reply => {
  const { status, headers } = reply;
  const lines = ['', 'cache-control: no-store'];
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderValue(name, value);
    lines.push(`${name}: ${value}`);
  }
  lines.push('content-length: 0', '');
  const first = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nx-request-id: `;
  return { status, headers, head: { first, rest: lines.join('\r\n') } };
};

/** RFC 9110 § 5.6.7, written once a second. */
const createDate = () => {
  let second = 0;
  let line = '';
  return (): string => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) {
      second = now;
      line = `Date: ${new Date(now * 1000).toUTCString()}\r\n`;
    }
    return line;
  };
};

const send = (res: Sender, head: string) => {
  res._header = head;
  res.end();
};

/** Does what was left in `_header` go out, and nothing else? */
const isSent = (): boolean => {
  const sent: Buffer[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      sent.push(chunk);
      done();
    },
  });
  const res: Sender = new ServerResponse(new IncomingMessage(new Socket()));
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
  try {
    // Of a socket, only what is written to it is needed.
    res.assignSocket(socket as never);
    send(res, head);
    return Buffer.concat(sent).toString() === head;
  } catch {
    return false;
  }
};

/** `keepAliveMs`: what the server keeps idle connections for, which every answer says. */
export const createSendHead = (keepAliveMs: number) => {
  const isPossible = isSent();
  const date = createDate();
  const end = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n\r\n`;

  /** False when this answer needs `writeHead`: its connection ends with it, or this Node is another. */
  return (res: ServerResponse, requestId: string, { first, rest }: Head): boolean => {
    if (!isPossible || !res.shouldKeepAlive) return false;
    send(res, `${first}${requestId}${rest}${date()}${end}`);
    return true;
  };
};
