/** What tests of the OAuth endpoints share: clients of every kind, form posts, assertions. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { Test } from 'tap';
import { openClient } from '../store.js';
import { type Fleet, textOf } from './fleet.js';

export type Raw = { status: number; text: string; headers: Headers };
export type TestClient = { id: string; secret: string };

export const basic = ({ id, secret }: TestClient): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});

export const fieldsOf = (raw: Raw): Record<string, unknown> => JSON.parse(raw.text);

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

export const createRig = async (t: Test, fleet: Fleet) => {
  let calls = 0;
  const redis = await openClient(t, fleet.redis);

  /** Every call from another address, so that limits do not mix. Needs TRUSTED_PROXIES. */
  const post = async (
    path: string,
    form: string | Buffer | Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Raw> => {
    calls++;
    const isText = typeof form === 'string' || Buffer.isBuffer(form);
    const response = await fetch(fleet.base + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-forwarded-for': `10.${(calls >> 8) & 255}.${calls & 255}.1`,
        ...headers,
      },
      body: isText ? form : new URLSearchParams(form).toString(),
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };

  const addClient = async (body: object = {}): Promise<TestClient> => {
    const answer = await fleet.admin('POST', '/clients', {
      name: `test ${randomBytes(3).toString('hex')}`,
      ...body,
    });
    if (answer.status !== 201) throw new Error(`client: ${JSON.stringify(answer.body)}`);
    return { id: textOf(answer, 'client_id'), secret: textOf(answer, 'client_secret') };
  };

  const addKeyClient = async (body: object = {}) => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] };
    const client = await addClient({ auth: 'private_key_jwt', jwks, ...body });
    return { ...client, privateKey };
  };

  /** A family of another client than the one that login makes it for. */
  const familyOf = async (client: { id: string }, name: string) => {
    await fleet.register(name);
    const answer = await fleet.signIn(name);
    const sessionId = textOf(answer, 'session_id');
    const [u = '', id = ''] = sessionId.split('.');
    await redis.hset(`sess:{${u}}:${id}`, 'client_id', client.id);
    return { sessionId, refreshToken: textOf(answer, 'refresh_token') };
  };

  return { post, addClient, addKeyClient, familyOf, redis };
};

/** An assertion about `id` with changes to its claims and header. */
export const assert = (
  { id, privateKey }: { id: string; privateKey: KeyObject },
  aud: unknown,
  change: { claims?: object; header?: object } = {},
): string => {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const jti = randomBytes(16).toString('hex');
  const header = { alg: 'EdDSA', kid: 'k1', ...change.header };
  const claims = { iss: id, sub: id, aud, jti, exp: nowSeconds + 60, ...change.claims };
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
};

export const assertionForm = (assertion: string): Record<string, string> => ({
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion: assertion,
});
