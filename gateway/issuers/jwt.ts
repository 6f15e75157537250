/** Checks JWTs of an issuer that publishes its keys: at most so many at a time, like our own. */
import type { KeyObject } from 'node:crypto';
import { invalid } from '../tokens/invalid.js';
import { type ForeignAlg, isForeignAlg } from './algorithms.js';
import { createGate } from './gate.js';
import type { IssuerKeys } from './keys.js';
import type { JwksIssuer } from './settings.js';
import type { Shape } from './shape.js';
import { unavailable } from './unavailable.js';

type Claims = Readonly<Record<string, unknown>>;
type Jwt = Extract<Shape, { kind: 'jwt' }>;
/** The door to jose: throws token_invalid or token_expired. */
export type CheckSignature = (
  token: string,
  options: {
    key: KeyObject;
    alg: string;
    issuer: string;
    audience: readonly string[];
    nowMs: number;
  },
) => Promise<Claims>;

/** New tokens of others must not fill the thread pool that ours need too. */
const limits = { max: 8, maxWaiting: 256, maxWaitMs: 400 };

const isTyped = (typ: string | undefined, wanted: JwksIssuer['typ']): boolean => {
  const name = typ?.toLowerCase().replace(/^application\//, '');
  return name === 'at+jwt' || (wanted === 'JWT' && (name === undefined || name === 'jwt'));
};

export const createJwtCheck = ({
  settings,
  keys,
  checkSignature,
  now = Date.now,
}: {
  settings: JwksIssuer;
  keys: Pick<IssuerKeys, 'find'>;
  checkSignature: CheckSignature;
  now?: () => number;
}) => {
  const { issuer, audience, typ, algorithms } = settings;
  const gate = createGate(limits);

  const isAllowed = (alg: string): alg is ForeignAlg =>
    isForeignAlg(alg) && algorithms.includes(alg);

  /** What costs nothing comes first: garbage must not make us ask the issuer. */
  return async (token: string, shape: Jwt): Promise<Claims> => {
    const { alg, kid } = shape;
    if (!isAllowed(alg)) throw invalid('alg');
    if (!isTyped(shape.typ, typ)) throw invalid('typ');
    const key = await keys.find(kid, alg);
    if (key === undefined) throw invalid('unknown key id');
    if (!(await gate.enter())) throw unavailable('too many new tokens');
    try {
      return await checkSignature(token, { key, alg, issuer, audience, nowMs: now() });
    } finally {
      gate.leave();
    }
  };
};
