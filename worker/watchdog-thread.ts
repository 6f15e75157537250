/** The watching side of `watchdog.ts`, a thread of its own. */
import { write } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { openLibrary } from './native-library.js';
import type { Watched } from './watchdog.js';

const { beats, everyMs, limit, fields }: Watched = workerData;

/** Whoever reads our lines may hang as well. */
const patienceMs = 500;

type Exit = (status: number) => void;
/** What a shell says of SIGKILL. */
const killedStatus = 137;

/**
 * Ends all threads. As the first process of a container (pid 1) we are spared even our own SIGKILL
 * (pid_namespaces(7)), and go on to exit without the event loop's help.
 */
const end = () => {
  process.kill(process.pid, 'SIGKILL');
  openLibrary<Exit>(null).func('void _exit(int status)')(killedStatus);
};

const sayAndEnd = () => {
  setTimeout(end, patienceMs);
  const msg = `the event loop stood still for ${(limit * everyMs) / 1000} s: ending the process`;
  const line = { level: 60, time: new Date().toISOString(), ...fields, alarm: true, msg };
  write(1, `${JSON.stringify(line)}\n`, end);
};

let seen = -1;
let silent = 0;
const look = () => {
  const beat = Atomics.load(beats, 0);
  silent = beat === seen ? silent + 1 : 0;
  seen = beat;
  if (silent === limit) sayAndEnd();
};
setInterval(look, everyMs);
parentPort?.postMessage('watching');
