/**
 * Client authentication at the OAuth endpoints. A secret has 256 bits, so checking one costs a
 * microsecond and no number of guesses finds it; limits therefore bind only who is wrong: every failure
 * takes a reservation of its address and of the client it named, and over the limit the answer is 429.
 * A client that is right is never kept out by others who are not, and touches Redis only for its record.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import type { Ctx } from '../../shared/http.js';
import type { Addresses } from '../address.js';
import { publicClient } from '../grant.js';
import type { Limits } from '../limits/limits.js';
import type { Params } from '../oauth.js';
import type { Assertions } from '../tokens/assertions.js';
import { type Presented, readCredentials } from './credentials.js';
import type { Client, Lookup } from './lookup.js';
import { digestSecret, isClientId } from './record.js';

export type Authenticate = ReturnType<typeof createAuthenticate>;
/** Why a client was refused; for the audit line. */
type Refusal = { client: Client | undefined; failure: string };

/** The client of /v1/login, which has no secret: it may go on with what it was given, no more. */
const builtIn: Client = {
  id: publicClient,
  auth: 'client_secret_basic',
  grants: ['refresh_token'],
  scopes: '',
  introspect: 'none',
  status: 'active',
  gen: 0,
  audience: undefined,
  digests: [],
  keys: [],
};

const isSecretOf = (client: Client, secret: string): boolean => {
  const digest = digestSecret(secret);
  return client.digests.filter((stored) => timingSafeEqual(stored, digest)).length > 0;
};

const noteClient = (ctx: Ctx, facts: Ctx['facts']) => {
  ctx.facts = { ...ctx.facts, ...facts };
};

export const createAuthenticate = ({
  lookup,
  assertions,
  limits,
  addresses,
}: {
  lookup: Lookup;
  assertions: Assertions;
  limits: Pick<Limits, 'reserve'>;
  addresses: Pick<Addresses, 'of'>;
}) => {
  /** Counts the failure; throws too_many_attempts, or store_unavailable when it cannot be counted. */
  const count = async (ctx: Ctx, id: string): Promise<void> => {
    const { client, network } = addresses.of(ctx.req);
    const u = createHash('sha256').update(id).digest('base64url').slice(0, 22);
    const reservation = await limits.reserve({ u, client, network, kind: 'client' });
    await reservation.fail();
  };

  const judge = async (presented: Presented, id: string): Promise<Client | Refusal> => {
    const client = isClientId(id) ? await lookup(id) : undefined;
    const refuse = (failure: string): Refusal => ({ client, failure });
    if (client === undefined) return refuse('unknown');
    if (client.status !== 'active') return refuse('disabled');
    if (presented.method !== client.auth) return refuse('method');
    if ('secret' in presented)
      return isSecretOf(client, presented.secret) ? client : refuse('secret');
    if (presented.method !== 'private_key_jwt') return refuse('method');
    const verdict = await assertions.check(presented.assertion, client);
    return verdict === 'ok' ? client : refuse(`assertion ${verdict}`);
  };

  const idOf = (presented: Presented): string => {
    if (presented.method !== 'private_key_jwt') return presented.id;
    const claimed = assertions.clientIdOf(presented.assertion) ?? '';
    return presented.id === undefined || presented.id === claimed ? claimed : '';
  };

  const prove = async (ctx: Ctx, presented: Presented): Promise<Client> => {
    // Without credentials there is nothing to guess with.
    if (presented.method === 'none') throw new AppError('invalid_client');
    const id = idOf(presented);
    const judged = await judge(presented, id);
    if ('failure' in judged) {
      // A name is logged only when it is one of ours.
      noteClient(ctx, { client_id: judged.client?.id, failure: judged.failure });
      await count(ctx, id);
      const isBasic = presented.method === 'client_secret_basic';
      throw new AppError('invalid_client', isBasic ? { challenge: 'basic' } : {});
    }
    noteClient(ctx, { client_id: judged.id });
    return judged;
  };

  return {
    /**
     * The client that this request proves to come from. Throws invalid_request, invalid_client,
     * too_many_attempts, store_unavailable.
     */
    confidential: (ctx: Ctx, params: Params): Promise<Client> =>
      prove(ctx, readCredentials(ctx.req, params)),

    /** The same, or the built-in public client, by its id alone. */
    any: async (ctx: Ctx, params: Params): Promise<Client> => {
      const presented = readCredentials(ctx.req, params);
      if (presented.method !== 'none' || presented.id !== publicClient)
        return prove(ctx, presented);
      noteClient(ctx, { client_id: publicClient });
      return builtIn;
    },
  };
};
