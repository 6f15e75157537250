/**
 * One kept-alive HTTP/1.1 connection at the least cost that node:net allows: ready-made request
 * bytes go out, the answer is read into one fixed buffer and only its status and length are looked
 * at. One request at a time; no pipelining.
 */
import { connect, type Socket } from 'node:net';

export type Target = { host: string; port: number };
export type Answer = {
  status: number;
  text: string;
  /** The server will close the connection now: nothing more may be sent on it. */
  closes: boolean;
};
export type Wire = {
  /** Our own, by which the process at the other end can be found. */
  port: number;
  send: (request: Uint8Array) => void;
  close: () => void;
};

const bufferBytes = 64 * 1024;
const headEnd = '\r\n\r\n';

/** Length of the whole answer at the start of `text`, or Infinity while its head is incomplete. */
const answerLength = (text: string): number => {
  const end = text.indexOf(headEnd);
  if (end === -1) return Number.POSITIVE_INFINITY;
  // The name in either spelling; every answer here carries it, or has no body.
  const at = text.indexOf('ength: ');
  const bodyBytes = at === -1 || at > end ? 0 : Number.parseInt(text.slice(at + 7, at + 15), 10);
  return end + headEnd.length + bodyBytes;
};

/** `onAnswer` runs once per answered `send`; `onLost` once, when the connection is gone. */
export const openWire = (
  target: Target,
  onAnswer: (answer: Answer) => void,
  onLost: (isWaiting: boolean) => void,
): Promise<Wire> =>
  new Promise((resolve, reject) => {
    let kept = '';
    let isWaiting = false;
    const buffer = Buffer.allocUnsafeSlow(bufferBytes);
    const read = (bytes: number): boolean => {
      const text = buffer.toString('latin1', 0, bytes);
      kept = kept === '' ? text : kept + text;
      if (kept.length < answerLength(kept)) return true;
      const whole = kept;
      kept = '';
      isWaiting = false;
      const closes = whole.includes('onnection: close');
      onAnswer({ status: Number(whole.slice(9, 12)), text: whole, closes });
      return true;
    };
    const onread = { buffer, callback: read };
    const socket: Socket = connect({ ...target, noDelay: true, onread });
    socket.once('error', reject);
    socket.once('close', () => onLost(isWaiting));
    socket.once('connect', () =>
      resolve({
        port: socket.localPort ?? 0,
        send: (request) => {
          isWaiting = true;
          socket.write(request);
        },
        close: () => socket.destroy(),
      }),
    );
  });
