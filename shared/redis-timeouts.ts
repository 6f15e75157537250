/**
 * What is set in the place of ioredis' own timers: they say of answers that are there, but not read yet
 * because this process stood still, that they never came.
 */
import { whenLate } from './late.js';

type Sent = { promise: Promise<unknown>; reject: (error: Error) => void };
/** What ioredis has of one connection (read 6.0.0 before changing versions). */
type Connection = {
  stream: NodeJS.EventEmitter & { destroy: (error: Error) => unknown };
  commandQueue: { length: number };
  options: { socketTimeout?: number };
  /** That there is one is all that ioredis asks; on a stream's end it also hands it to clearTimeout. */
  socketTimeoutTimer: unknown;
  setSocketTimeout: () => void;
};

function limitCommand(this: Sent, ms: number): void {
  const stop = whenLate(ms, () => this.reject(new Error('Command timed out')));
  this.promise.then(stop, stop);
}

/** From a command on until data comes, and on from there while more is due. */
function limitSilence(this: Connection): void {
  const { stream } = this;
  const stop = whenLate(this.options.socketTimeout ?? 0, () => {
    stream.destroy(new Error('the server has been silent for too long'));
  });
  const end = () => {
    stop();
    stream.off('data', onData).off('close', end);
    if (this.socketTimeoutTimer === stop) this.socketTimeoutTimer = undefined;
  };
  // After ioredis' own listener, which takes what was answered out of the queue.
  const onData = () => {
    end();
    if (this.commandQueue.length > 0) this.setSocketTimeout();
  };
  stream.on('data', onData).on('close', end);
  this.socketTimeoutTimer = stop;
}

/** `command` and `redis` are the prototypes of ioredis' classes. */
export const replaceTimeouts = (command: object, redis: object): void => {
  Object.defineProperty(command, 'setTimeout', { value: limitCommand });
  // Private in the types: said here once more, should another version have it under another name.
  if (!('setSocketTimeout' in redis)) throw new Error('ioredis has no setSocketTimeout');
  Object.defineProperty(redis, 'setSocketTimeout', { value: limitSilence });
};
