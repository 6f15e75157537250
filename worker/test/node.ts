/** A worker node in this process, with cheap hashes, on a socket of its own; and how to call it. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { createLog } from '../../shared/log.js';
import { callerProof, headers, openVerdict, type Verdict } from '../../shared/protocol.js';
import type { Config } from '../config.js';
import { startWorker } from '../server.js';

export type Answer = {
  status: number;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
};
export type TestNode = Awaited<ReturnType<typeof startNode>>;
type Sent = {
  attempt?: string;
  class?: string;
  remainingMs?: number;
  proof?: string;
  type?: string;
};

export const cheap = { memoryKiB: 64, passes: 1, lanes: 1 };
export const newId = (): string => randomBytes(16).toString('base64url');
const secret = 'secret-of-the-tests';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const parse = (text: string): Record<string, unknown> => {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return isObject(value) ? value : {};
};

export const makeRuntimeDir = (t: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-node-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

export const configFor = (
  given: Partial<Config> & { redisUrl: string; runtimeDir: string },
): Config => ({
  nodeId: 'node-1',
  zone: 'default',
  threads: 1,
  target: cheap,
  hashMemoryBytes: 256 * 1024 * 1024,
  lockRedisUrls: [given.redisUrl],
  acceptDataLoss: false,
  nodeSecrets: [secret],
  credentials: { url: undefined, connections: 4, table: undefined },
  tcp: undefined,
  blocklistFile: undefined,
  passwordKeys: {},
  passwordPepper: undefined,
  logLevel: 'silent',
  ...given,
});

/** Lines logged so far, parsed. */
const createLines = () => {
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (text: string) => void lines.push(parse(text)) };
  return { lines, stream };
};

export const startNode = async (
  t: Test,
  given: Partial<Config> & { redisUrl: string; runtimeDir?: string },
) => {
  const config = configFor({ ...given, runtimeDir: given.runtimeDir ?? makeRuntimeDir(t) });
  const { lines, stream } = createLines();
  const log = createLog({ level: 'debug', role: 'worker', stream });
  const steps: { name: string; run: () => unknown }[] = [];
  const onStop = (name: string, run: () => unknown) => void steps.push({ name, run });
  const { socketPath, bootId } = await startWorker({ config, lifecycle: { onStop }, log });
  const agent = new Agent({ keepAlive: true });
  let isStopped = false;

  /** As the lifecycle does, without the end of the process. */
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    for (const { name, run } of steps.reverse()) if (name !== 'log') await run();
    agent.destroy();
  };
  t.teardown(stop);

  const send = (method: string, path: string, text: string, sent: Sent = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const outgoing = request({
        socketPath,
        path,
        method,
        agent,
        headers: {
          host: 'node',
          'content-type': sent.type ?? 'application/json',
          'content-length': Buffer.byteLength(text),
          [headers.caller]: sent.proof ?? callerProof(secret, bootId),
          [headers.attempt]: sent.attempt ?? newId(),
          [headers.class]: sent.class ?? 'login',
          [headers.remainingMs]: String(sent.remainingMs ?? 2500),
          [headers.requestId]: 'request-1',
        },
      });
      outgoing.on('error', reject);
      outgoing.on('response', async (res) => {
        const chunks: Buffer[] = [];
        for await (const chunk of res) chunks.push(chunk);
        const body = parse(Buffer.concat(chunks).toString());
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body });
      });
      outgoing.end(text);
    });

  const post = (path: string, body: object, sent?: Sent) =>
    send('POST', path, JSON.stringify(body), sent);

  /** The opened verdict; fails when the answer is anything else. */
  const verdict = async (path: string, body: object, sent: Sent = {}): Promise<Verdict> => {
    const attempt = sent.attempt ?? newId();
    const answer = await post(path, body, { ...sent, attempt });
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body.error}`);
    return openVerdict([secret], bootId, attempt, answer.body);
  };

  const register = (u: string, password: string, sent: Sent = {}) =>
    verdict('/register', { u, password, user_id: `u_${u}`, scopes: 'account' }, sent);
  const login = (u: string, password: string) => verdict('/login', { u, password });

  return { socketPath, bootId, config, lines, stop, send, post, verdict, register, login };
};
