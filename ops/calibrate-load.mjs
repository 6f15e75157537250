/**
 * Accounts and logins for the check of `floodgate calibrate`. Arrivals are a Poisson process; latency
 * counts from the intended time, so that a stall is seen by every login that it delays.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {{ port: number, adminPort: number, token: string }} System */
/**
 * @typedef {{ sent: number, ok: number, refused: number, failed: number, p50_ms: number, p99_ms: number
 * }} Sent
 * @typedef {{ left_out: string } | ({ rate: number } & Sent)} Check
 */

const together = 8;
const maxTries = 20;

/** @param {System} system @param {string} username @param {string} hash */
const importUser = async ({ adminPort, token }, username, hash) => {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/users`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ username, hash }),
    });
    await answer.arrayBuffer();
    // 409: an earlier try was written, its answer was lost.
    if (answer.status === 201 || (answer.status === 409 && tries > 1)) return;
    if (answer.status !== 503 || tries === maxTries)
      throw new Error(`an account could not be made (${answer.status})`);
    await sleep(200);
  }
};

/** Distinct accounts with one hash. @param {System} system @param {{ hash: string, count: number }} wanted */
export const importUsers = async (system, { hash, count }) => {
  const names = Array.from({ length: count }, (_, i) => `calibrate-${i}`);
  const queue = names.values();
  const work = async () => {
    for (const name of queue) await importUser(system, name, hash);
  };
  await Promise.all(Array.from({ length: together }, work));
  return names;
};

/** Each client at an address in a network of its own. @param {number} i */
const addressOf = (i) => `10.${Math.floor(i / 250) % 250}.${i % 250}.7`;

/**
 * The status, 0 when there was no answer.
 * @param {{ agent: Agent, port: number, body: string, address: string }} login
 * @returns {Promise<number>}
 */
const logIn = ({ agent, port, body, address }) =>
  new Promise((resolve) => {
    const headers = {
      ...{ 'content-type': 'application/json', 'x-forwarded-for': address },
      'content-length': Buffer.byteLength(body),
    };
    const options = { agent, port, host: '127.0.0.1', path: '/v1/login', method: 'POST', headers };
    const call = request(options, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode ?? 0));
      answer.once('error', () => resolve(0));
    });
    call.once('error', () => resolve(0));
    call.end(body);
  });

/** @param {number[]} sorted @param {number} fraction */
const percentile = (sorted, fraction) =>
  sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? 0;

/**
 * @param {System} system
 * @param {{ names: string[], password: string, perSecond: number, forMs: number }} logins
 * @returns {Promise<Sent>}
 */
export const sendLogins = async ({ port }, { names, password, perSecond, forMs }) => {
  const agent = new Agent({ keepAlive: true });
  /** @type {number[]} */
  const served = [];
  /** @type {Record<'ok' | 'refused' | 'failed', number>} */
  const counts = { ok: 0, refused: 0, failed: 0 };
  const startedAt = performance.now();
  const offset = Math.floor(Math.random() * names.length);
  /** @param {number} i @param {number} dueAt */
  const send = async (i, dueAt) => {
    const body = JSON.stringify({ username: names[(offset + i) % names.length], password });
    const status = await logIn({ agent, port, body, address: addressOf(i) });
    if (status === 200) served.push(performance.now() - dueAt);
    counts[status === 200 ? 'ok' : status === 503 ? 'refused' : 'failed']++;
  };
  /** @type {Promise<void>[]} */
  const all = [];
  for (let at = 0; ; ) {
    at += (-Math.log(1 - Math.random()) * 1000) / perSecond;
    if (at >= forMs) break;
    const pauseMs = startedAt + at - performance.now();
    if (pauseMs > 0) await sleep(pauseMs);
    all.push(send(all.length, startedAt + at));
  }
  await Promise.all(all);
  agent.destroy();
  served.sort((a, b) => a - b);
  const latency = { p50_ms: percentile(served, 0.5), p99_ms: percentile(served, 0.99) };
  return { sent: all.length, ...counts, ...latency };
};
