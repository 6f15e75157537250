/**
 * Clients as an edge uses them: looked up in the registry, kept for a few seconds with their keys and
 * digests ready, so that a request costs one look into memory and a change is in force everywhere a few
 * seconds later. What the store cannot say and nobody said within that time is unknown: an error.
 */
import { createCache } from '../cache.js';
import { type ClientRecord, type PublicKey, readKeys } from './record.js';
import type { StoredClient } from './registry.js';

export type Client = Pick<
  ClientRecord,
  'auth' | 'grants' | 'scopes' | 'introspect' | 'status' | 'gen'
> & {
  id: string;
  /** Of its access tokens; undefined = this gateway's own. */
  audience: string | undefined;
  digests: readonly Buffer[];
  keys: readonly PublicKey[];
};
export type Lookup = ReturnType<typeof createLookup>;

const freshMs = 3000;
const maxClients = 1000;

const prepare = (stored: StoredClient): Client => {
  const { id, auth, grants, scopes, introspect, status, gen, audience } = stored;
  return {
    ...{ id, auth, grants, scopes, introspect, status, gen },
    audience: audience === '' ? undefined : audience,
    digests: stored.secrets.map(({ hash }) => Buffer.from(hash, 'base64url')),
    keys: stored.jwks.length === 0 ? [] : readKeys(stored.jwks),
  };
};

/** `find` throws store_unavailable when it cannot tell. */
export const createLookup = ({
  find,
  now = () => performance.now(),
}: {
  find: (id: string) => Promise<StoredClient | undefined>;
  now?: () => number;
}) => {
  const known = createCache<{ client: Client; until: number }>(maxClients);
  const pending = new Map<string, Promise<Client | undefined>>();

  const fetch = async (id: string): Promise<Client | undefined> => {
    const stored = await find(id);
    known.delete(id);
    if (stored === undefined) return undefined;
    const client = prepare(stored);
    known.set(id, { client, until: now() + freshMs });
    return client;
  };

  /** The client, or undefined when there is none. Throws store_unavailable. */
  return (id: string): Promise<Client | undefined> | Client => {
    const found = known.get(id);
    if (found !== undefined && found.until > now()) return found.client;
    const running = pending.get(id);
    if (running !== undefined) return running;
    const fetching = fetch(id).finally(() => pending.delete(id));
    pending.set(id, fetching);
    return fetching;
  };
};
