/**
 * Requests without a body. Node gives each of them a stream, and after the answer reads that to its end
 * through six callbacks, which takes an eighth of a token check. A stream that is over already is left
 * alone; later versions of Node offer the same (`optimizeEmptyRequests`), but for all routes or none.
 */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

type Dumped = IncomingMessage & { _dumped?: boolean; _readableState?: Record<string, unknown> };

/** RFC 9112 § 6: a request has a body if it says how long it is, or that it comes in chunks. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** As Node's own `_dumpAndCloseReadable` does it. */
const dump = (req: Dumped) => {
  const state = req._readableState;
  if (state === undefined) return;
  req._dumped = true;
  state.ended = true;
  state.endEmitted = true;
  state.destroyed = true;
  state.closed = true;
  state.closeEmitted = true;
};

/** Is a stream over that was told so in this way? */
const isPossible = (): boolean => {
  const req = new IncomingMessage(new Socket());
  dump(req);
  return req.readableEnded && req.destroyed && req.closed;
};

/**
 * Ends the stream of a request that has no body, before its answer; whoever reads it afterwards waits for
 * ever. Does nothing where this Node keeps the state of a stream in another way.
 */
export const endEmpty: (req: IncomingMessage) => void = isPossible() ? dump : () => {};
