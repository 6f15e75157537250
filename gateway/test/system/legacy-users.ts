/**
 * Users as another system left them: a third each of bcrypt, PBKDF2 (Django's) and argon2 with the
 * parameters of years ago, cheap on purpose, every one with a password of its own. And a client that
 * signs them in, each from a network of its own (a trusted proxy says so), so that no limit is shared.
 */
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import argon2 from '@node-rs/argon2';
import bcrypt from '@node-rs/bcrypt';
import { password as base, type Fleet } from './fleet.js';

export type User = {
  at: number;
  name: string;
  id: string;
  hash: string;
  address: string;
  password: string;
  /** What it is changed to, by who changes it. */
  next: string;
};
export type Answer = { status: number; ms: number; body: Record<string, unknown> };
export type Client = ReturnType<typeof createClient>;

const django = (password: string): string => {
  const salt = randomBytes(9).toString('hex');
  const digest = pbkdf2Sync(password, salt, 1000, 32, 'sha256').toString('base64');
  return `pbkdf2_sha256$1000$${salt}$${digest}`;
};

const hashers: readonly ((password: string) => string)[] = [
  (password) => bcrypt.hashSync(password, { cost: 4 }),
  django,
  (password) => argon2.hashSync(password, { memoryCost: 256, timeCost: 1, parallelism: 1 }),
];

export const createUsers = (count: number): User[] =>
  Array.from({ length: count }, (_, at) => {
    const password = `${base}-${at}`;
    return {
      at,
      name: `legacy-${at}`,
      id: `old-${at}`,
      hash: hashers[at % hashers.length]?.(password) ?? '',
      address: `10.${at >> 8}.${at & 255}.7`,
      password,
      next: `${password}-new`,
    };
  });

/** Through the admin port, eight at a time. A busy node is asked again. */
export const importUsers = async (fleet: Fleet, users: readonly User[]): Promise<void> => {
  const queue = users.values();
  const importOne = async (user: User, tries = 0): Promise<void> => {
    const { name, hash, id } = user;
    const answer = await fleet.admin('POST', '/users', { username: name, hash, user_id: id });
    if (answer.status === 201 || (answer.status === 409 && tries > 0)) return;
    if (![503, 504].includes(answer.status) || tries > 50)
      throw new Error(`import: ${JSON.stringify(answer.body)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    return importOne(user, tries + 1);
  };
  const work = async () => {
    for (const user of queue) await importOne(user);
  };
  await Promise.all(Array.from({ length: 8 }, work));
};

const parse = (text: string): Record<string, unknown> => {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
};

const patienceMs = 10_000;

/** Calls resolve whatever happens, with status 0 for no answer: a lost one is a finding. */
export const createClient = (port: number) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 250 });
  let isClosed = false;

  const post = (path: string, content: object, address: string, token = ''): Promise<Answer> =>
    new Promise((resolve) => {
      const startedAt = performance.now();
      const end = (status: number, text: string) =>
        resolve({ status, ms: performance.now() - startedAt, body: parse(text) });
      const body = JSON.stringify(content);
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'x-forwarded-for': address,
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      };
      const options = { host: '127.0.0.1', port, path, method: 'POST', agent, headers };
      const req = request({ ...options, timeout: patienceMs }, (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (part) => {
          text += part;
        });
        res.on('end', () => end(res.statusCode ?? 0, text));
        res.on('error', () => end(0, ''));
      });
      req.on('timeout', () => req.destroy());
      req.on('error', () => end(0, ''));
      req.end(body);
    });

  const login = ({ name, address }: User, password: string): Promise<Answer> =>
    post('/v1/login', { username: name, password }, address);

  /** Asks until it is decided: right (true) or wrong (false). A busy machine decides nothing. */
  const isRight = async (user: User, password: string, boundMs = 60_000): Promise<boolean> => {
    const end = performance.now() + boundMs;
    for (;;) {
      const { status } = await login(user, password);
      if (status === 200 || status === 401) return status === 200;
      if (isClosed || performance.now() > end)
        throw new Error(`${user.name}: only ${status} for ${boundMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 200));
    }
  };

  const close = () => {
    isClosed = true;
    agent.destroy();
  };

  return { post, login, isRight, close };
};
