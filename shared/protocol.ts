/**
 * What edges and worker nodes say to each other: header names, the proof that a caller knows the
 * cluster secret, signed verdicts and signed registry entries.
 * A verdict is bound to its attempt id and to the node's boot id, so that a stray, late or mixed-up
 * answer signs no one in. NODE_SECRET may hold "current,previous": we sign with the first and accept
 * both, which is how it rotates.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from './errors.js';
import { isObject } from './json.js';

export const headers = {
  caller: 'x-floodgate-caller',
  attempt: 'x-floodgate-attempt',
  remainingMs: 'x-floodgate-remaining-ms',
  class: 'x-floodgate-class',
  /** There when this edge has just turned somebody away for lack of room. */
  crowded: 'x-floodgate-crowded',
  load: 'x-floodgate-load',
  requestId: 'x-request-id',
} as const;

export const workClasses = ['device', 'login', 'register', 'password', 'suspect'] as const;
export type WorkClass = (typeof workClasses)[number];

export const isWorkClass = (text: unknown): text is WorkClass =>
  workClasses.some((name) => name === text);

const hmac = (secret: string, text: string): string =>
  createHmac('sha256', secret).update(text).digest('hex');

/** Of any text: as many characters need not be as many bytes. */
const isSame = (a: string, b: string): boolean => {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
};

/** Constant for one boot of one node; shows that the caller knows the cluster secret. */
export const callerProof = (secret: string, bootId: string): string =>
  hmac(secret, `floodgate caller v1\n${bootId}`);

/** The proofs a worker accepts, computed once at its start. */
export const createCallerCheck = (secrets: readonly string[], bootId: string) => {
  const accepted = secrets.map((secret) => callerProof(secret, bootId));
  return (proof: unknown): boolean =>
    typeof proof === 'string' && accepted.some((wanted) => isSame(proof, wanted));
};

/**
 * The gateway's word that this attempt may set this password without the current one, as the account
 * was at `gen`.
 */
type Reset = { attemptId: string; u: string; gen: number; password: string };

const resetText = ({ attemptId, u, gen, password }: Reset): string =>
  `floodgate reset v1\n${attemptId}\n${u}\n${gen}\n${password}`;

export const resetProof = (secret: string, reset: Reset): string => hmac(secret, resetText(reset));

export const isResetProof = (secrets: readonly string[], reset: Reset, proof: string): boolean =>
  secrets.some((secret) => isSame(hmac(secret, resetText(reset)), proof));

// ─── verdicts ────────────────────────────────────────────────────────────────

export type Verdict = {
  attempt_id: string;
  outcome: 'ok' | 'denied' | 'exists';
  user_id: string;
  gen: number;
  /** Space separated; the scopes this user may be granted. */
  scopes: string;
};

const verdictText = (bootId: string, v: Verdict): string =>
  `floodgate verdict v1\n${bootId}\n${v.attempt_id}\n${v.outcome}\n${v.user_id}\n${v.gen}\n${v.scopes}`;

/** The verdict with its MAC, ready for the wire. */
export const signVerdict = (
  secret: string,
  bootId: string,
  verdict: Verdict,
): Verdict & { mac: string } => ({ ...verdict, mac: hmac(secret, verdictText(bootId, verdict)) });

const hasVerdictShape = (body: unknown): body is Verdict & { mac: string } => {
  return (
    isObject(body) &&
    typeof body.attempt_id === 'string' &&
    (body.outcome === 'ok' || body.outcome === 'denied' || body.outcome === 'exists') &&
    typeof body.user_id === 'string' &&
    Number.isSafeInteger(body.gen) &&
    typeof body.scopes === 'string' &&
    typeof body.mac === 'string'
  );
};

/** The verdict for this attempt from this boot of the node, or AppError bad_node_answer. */
export const openVerdict = (
  secrets: readonly string[],
  bootId: string,
  attemptId: string,
  body: unknown,
): Verdict => {
  if (!hasVerdictShape(body)) throw new AppError('bad_node_answer', { detail: 'shape' });
  if (body.attempt_id !== attemptId) throw new AppError('bad_node_answer', { detail: 'attempt' });
  const text = verdictText(bootId, body);
  if (!secrets.some((secret) => isSame(hmac(secret, text), body.mac)))
    throw new AppError('bad_node_answer', { detail: 'mac' });
  const { attempt_id, outcome, user_id, gen, scopes } = body;
  return { attempt_id, outcome, user_id, gen, scopes };
};

// ─── load ────────────────────────────────────────────────────────────────────

/** What a node says of itself with every answer. Times in milliseconds of estimated cost. */
export type Load = { inflight: number; queueMs: number; serviceMs: number; slots: number };

export const formatLoad = (load: Load): string =>
  `${load.inflight} ${Math.round(load.queueMs)} ${load.serviceMs.toFixed(1)} ${load.slots}`;

export const parseLoad = (text: unknown): Load | undefined => {
  if (typeof text !== 'string' || !/^\d{1,6} \d{1,7} \d{1,6}\.\d \d{1,4}$/.test(text)) {
    return undefined;
  }
  const [inflight = 0, queueMs = 0, serviceMs = 0, slots = 0] = text.split(' ').map(Number);
  return { inflight, queueMs, serviceMs, slots };
};

// ─── registry entries ────────────────────────────────────────────────────────

/**
 * `dir_id` names the socket directory: an edge uses the socket only if it sees the same one. `tcp` is
 * host:port, always with TLS; `name` is the one in the certificate that the node will show.
 */
export type Endpoint = { unix: string; dir_id: string } | { tcp: string; name: string };

export type NodeEntry = {
  id: string;
  boot_id: string;
  endpoints: Endpoint[];
  slots: number;
  version: string;
  zone: string;
  draining: boolean;
  /** Which user store it works with, for other nodes to compare; older versions do not say. */
  store?: string;
};

const entryMac = (secret: string, json: string): string =>
  hmac(secret, `floodgate entry v1\n${json}`);

export const signEntry = (secret: string, entry: NodeEntry): string => {
  const json = JSON.stringify(entry);
  return `${entryMac(secret, json)}.${json}`;
};

const isEndpoint = (value: unknown): boolean => {
  if (!isObject(value)) return false;
  const { unix, dir_id: dirId, tcp, name } = value;
  const isSocket = typeof unix === 'string' && typeof dirId === 'string' && tcp === undefined;
  const isTcp = typeof tcp === 'string' && typeof name === 'string' && unix === undefined;
  return isSocket || isTcp;
};

/** A node that says more would draw every account to itself. */
const maxSlots = 1024;

const hasEntryShape = (value: unknown): value is NodeEntry => {
  return (
    isObject(value) &&
    ['id', 'boot_id', 'version', 'zone'].every((name) => typeof value[name] === 'string') &&
    Array.isArray(value.endpoints) &&
    value.endpoints.every(isEndpoint) &&
    Number.isSafeInteger(value.slots) &&
    Number(value.slots) >= 1 &&
    Number(value.slots) <= maxSlots &&
    typeof value.draining === 'boolean' &&
    (value.store === undefined || typeof value.store === 'string')
  );
};

/** The entry, or undefined when it is unsigned, signed with another secret, or not an entry. */
export const openEntry = (secrets: readonly string[], text: string): NodeEntry | undefined => {
  const dot = text.indexOf('.');
  const json = text.slice(dot + 1);
  if (dot !== 64 || !secrets.some((s) => isSame(entryMac(s, json), text.slice(0, dot))))
    return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return hasEntryShape(value) ? value : undefined;
  } catch {
    return undefined;
  }
};
