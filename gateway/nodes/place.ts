/**
 * Where an edge reaches a node, of all the endpoints that the node's signed entry names: the unix socket
 * when it is in the very directory that this process sees, else TCP. On TCP the name that the entry
 * claims must be one that this node may have; the certificate is held against it at each connection.
 */
import { basename, join } from 'node:path';
import { parseAddress } from '../../shared/address.js';
import { isNameOf } from '../../shared/identity.js';
import type { Endpoint, NodeEntry } from '../../shared/protocol.js';

export type Place =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly name: string };

/** What this process can use. `dirId`: which directory `runtimeDir` is. */
type Here = { runtimeDir: string; dirId: string | undefined; hasTls: boolean };

const placeOf = (endpoint: Endpoint, nodeId: string, here: Here): Place | undefined => {
  if ('unix' in endpoint) {
    if (here.dirId === undefined || endpoint.dir_id !== here.dirId) return undefined;
    // The same directory may be mounted elsewhere for the node.
    return { kind: 'unix', path: join(here.runtimeDir, basename(endpoint.unix)) };
  }
  const address = parseAddress(endpoint.tcp);
  if (address === undefined || address.port === 0) return undefined;
  const { name } = endpoint;
  return here.hasTls && isNameOf(name, nodeId) ? { kind: 'tls', ...address, name } : undefined;
};

/** Undefined when none of them can be used from here. */
export const findPlace = (entry: NodeEntry, here: Here): Place | undefined => {
  const places = entry.endpoints.map((endpoint) => placeOf(endpoint, entry.id, here));
  return places.find((place) => place?.kind === 'unix') ?? places.find(Boolean);
};
