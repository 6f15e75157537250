/**
 * The address of a node's host for each new connection. A resolver that fails or is slow takes no node away that
 * was found before: its last address stands, and the certificate says whether the node is there still.
 */
import { type LookupAddress, promises } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a connection may wait for a newer address: a part of what it has to be made in. */
const patienceMs = 100;

type Resolve = (host: string, options: { all: true }) => Promise<LookupAddress[]>;

/** For one host. One question at a time, however many connections are made meanwhile. */
export const createLookup = (resolve: Resolve = promises.lookup): LookupFunction => {
  let last: LookupAddress[] | undefined;
  let asking: Promise<LookupAddress[]> | undefined;

  const ask = (host: string): Promise<LookupAddress[]> => {
    asking ??= resolve(host, { all: true })
      .then((found) => {
        last = found;
        return found;
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };

  const find = async (host: string): Promise<LookupAddress[]> => {
    const fresh = ask(host);
    if (last === undefined) return fresh;
    const known = last;
    return Promise.race([fresh.catch(() => known), sleep(patienceMs, known, { ref: false })]);
  };

  return (host, { all }, done) => {
    find(host).then(
      (found) => {
        const [first] = found;
        if (all === true || first === undefined) done(null, found);
        else done(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => done(error, []),
    );
  };
};
