/**
 * How much password work one account, one client address and one network may ask for, over all edges.
 * Every attempt first takes a lease: a promise to say soon how it went. Right: the lease goes. Wrong: it
 * becomes a failure. An edge that dies says nothing, and its leases run out. All limits are checked
 * before any work is done.
 */
import { AppError } from '../../shared/errors.js';
import { newId } from '../../shared/new-id.js';
import type { RedisClient } from '../../shared/redis.js';
import { defineScript, storeCall } from '../../shared/redis-calls.js';
import { createKnownLimits } from './known-limits.js';
import {
  accountLua,
  defaultLimits,
  failLua,
  type LimitSettings,
  networkLua,
  releaseLua,
  uncountLua,
} from './limit-scripts.js';

/** `client`: a wrong guess at the secret of an OAuth client; right ones are not counted. */
type Kind = 'login' | 'register' | 'password' | 'client';

type Reservation = {
  /** The address has used up more than half of its failures: wait behind the others. */
  suspect: boolean;
  /** The attempt was right, or was never made. Never rejects: a lease that stays runs out in 5 s. */
  release(): Promise<void>;
  /** The attempt was wrong. Throws store_unavailable: a guess that was not counted gets no answer. */
  fail(): Promise<void>;
  /** The client left: a failure for its address, none for the account. Never rejects. */
  abandon(): Promise<void>;
};

/** One half of a reservation, admitted or refused. */
type Half = {
  waitMs: number;
  suspect: boolean;
  release(): Promise<unknown>;
  fail(): Promise<unknown>;
  /** Release, and as if it had never been counted. */
  undo(): Promise<unknown>;
};

export type Limits = ReturnType<typeof createLimits>;

/** `networkWaitMs`: for which nobody of the network is let through. */
type AddressHalf = Half & { networkWaitMs: number };

const noAddress: AddressHalf = {
  waitMs: 0,
  networkWaitMs: 0,
  suspect: false,
  release: async () => {},
  fail: async () => {},
  undo: async () => {},
};

/** Network and address under one tag; a network is part of the address, so the pair fits together. */
const addressKeys = (network: string, client: string) => {
  const base = `lim:{net:${network}}`;
  return {
    leases: [`${base}:l:${client}`, `${base}:l`],
    failures: [`${base}:f:${client}`, `${base}:f`],
    registrations: [`${base}:r:${client}`, `${base}:r`],
  };
};

const accountOf = (u: string, proven: string | undefined): string =>
  proven === undefined ? `{${u}}` : `{${u}}:${proven}`;

/** One member of the set of failures for each password that was tried. */
const guessIds = (kind: Kind, attemptId: string): string[] =>
  kind === 'password' ? [attemptId, `${attemptId}+`] : [attemptId];

const createAccountHalf = (redis: RedisClient, settings: LimitSettings) => {
  const lua = accountLua(settings);
  const reserve = defineScript(redis, { name: 'limitAccount', lua });
  const fail = defineScript(redis, { name: 'limitAccountFail', lua: failLua });
  const uncount = defineScript(redis, { name: 'limitAccountUncount', lua: uncountLua });

  return async (whose: string, kind: Kind, attemptId: string): Promise<Half> => {
    const key = `lim:${whose}`;
    const counter = `${key}:n`;
    const isCounted = kind !== 'register';
    const reply = await reserve([key, counter], [attemptId, isCounted ? 1 : 0]);
    const release = () => storeCall(redis.zrem(key, attemptId));
    return {
      waitMs: Number(reply),
      suspect: false,
      release,
      // A name that is taken is no guess at its password. A refused change is two: the node has also
      // looked whether the new password is in place already.
      fail: () =>
        kind === 'register'
          ? release()
          : Promise.all(
              guessIds(kind, attemptId).map((id) =>
                fail([key, key], [id, settings.account.windowMs]),
              ),
            ),
      undo: () => Promise.all([release(), isCounted && uncount([counter], [])]),
    };
  };
};

const createAddressHalf = (redis: RedisClient, settings: LimitSettings) => {
  const reserve = defineScript(redis, { name: 'limitAddress', lua: networkLua(settings) });
  const end = defineScript(redis, { name: 'limitAddressEnd', lua: releaseLua });
  const fail = defineScript(redis, { name: 'limitAddressFail', lua: failLua });
  const uncount = defineScript(redis, { name: 'limitRegisterUncount', lua: uncountLua });

  return async (
    network: string,
    client: string,
    kind: Kind,
    attemptId: string,
  ): Promise<AddressHalf> => {
    const { leases, failures, registrations } = addressKeys(network, client);
    const sets = leases.flatMap((key, i) => [key, failures[i] ?? '']);
    const isCounted = kind === 'register';
    const reply = await reserve(isCounted ? [...sets, ...registrations] : sets, [attemptId]);
    const [waitMs = 0, suspect, networkWaitMs = 0] = Array.isArray(reply) ? reply.map(Number) : [];
    const release = () => end(leases, [attemptId]);
    return {
      waitMs,
      networkWaitMs,
      suspect: suspect === 1,
      release,
      fail: () => fail([...leases, ...failures], [attemptId, settings.failureWindowMs]),
      undo: () => Promise.all([release(), isCounted && uncount(registrations, [])]),
    };
  };
};

/** Both halves admitted: what the caller gets. The first of release and fail counts. */
const reservationOf = (account: Half, address: Half): Reservation => {
  let isSettled = false;
  const settle = () => {
    const isFirst = !isSettled;
    isSettled = true;
    return isFirst;
  };
  return {
    suspect: address.suspect,
    release: async () => {
      if (settle()) await Promise.allSettled([account.release(), address.release()]);
    },
    fail: async () => {
      if (settle()) await Promise.all([account.fail(), address.fail()]);
    },
    abandon: async () => {
      if (settle()) await Promise.allSettled([account.release(), address.fail()]);
    },
  };
};

/** Without `client` and `network` only the account is limited. */
type Asking = {
  u: string;
  /** Who has proven something has an account's limit of their own, which no stranger's guesses use up. */
  proven?: string | undefined;
  client: string | undefined;
  network: string | undefined;
  kind: Kind;
};

/** What the limits are remembered under; registrations have counters of their own. */
const namesOf = ({ u, proven, client, network, kind }: Asking) => {
  const mark = kind === 'register' ? 'r' : '';
  return {
    account: `${accountOf(u, proven)}${mark}`,
    address: `${network}:${client}${mark}`,
    network: `${network}/${mark}`,
  };
};

const tooMany = (retryAfterMs: number) => new AppError('too_many_attempts', { retryAfterMs });

export const createLimits = ({
  redis,
  settings = defaultLimits,
  now = () => performance.now(),
}: {
  redis: RedisClient;
  settings?: LimitSettings;
  now?: () => number;
}) => {
  const reserveAccount = createAccountHalf(redis, settings);
  const reserveAddress = createAddressHalf(redis, settings);
  const known = createKnownLimits({ now });

  const refuseKnown = (names: ReturnType<typeof namesOf>): void => {
    const { account, address, network } = names;
    const waitMs = Math.max(known.waitMs(account), known.waitMs(address), known.waitMs(network));
    if (waitMs > 0) throw tooMany(waitMs);
  };

  return {
    /** Throws too_many_attempts when this edge knows already that reserving would be in vain. */
    check: (asking: Asking): void => refuseKnown(namesOf(asking)),
    /**
     * Takes the leases for one attempt, in one round trip. Throws too_many_attempts with the time to wait, or
     * store_unavailable; either way nothing stays reserved, and what cannot be undone runs out in 5 s.
     */
    reserve: async (wanted: Asking & { attemptId?: string }): Promise<Reservation> => {
      const { u, proven, client, network, kind, attemptId = newId() } = wanted;
      const names = namesOf(wanted);
      refuseKnown(names);
      const askedAt = now();
      const [account, address] = await Promise.allSettled([
        reserveAccount(accountOf(u, proven), kind, attemptId),
        client === undefined || network === undefined
          ? noAddress
          : reserveAddress(network, client, kind, attemptId),
      ]);
      if (account.status === 'fulfilled') known.heard(names.account, account.value.waitMs, askedAt);
      if (address.status === 'fulfilled') {
        known.heard(names.address, address.value.waitMs, askedAt);
        known.heard(names.network, address.value.networkWaitMs, askedAt);
      }
      const halves = [account, address].flatMap((half) =>
        half.status === 'fulfilled' ? [half.value] : [],
      );
      const waitMs = Math.max(0, ...halves.map((half) => half.waitMs));
      if (account.status === 'fulfilled' && address.status === 'fulfilled' && waitMs === 0)
        return reservationOf(account.value, address.value);
      const admitted = halves.filter((half) => half.waitMs === 0);
      await Promise.allSettled(admitted.map((half) => half.undo()));
      if (waitMs > 0) throw tooMany(waitMs);
      const lost = [account, address].find((half) => half.status === 'rejected');
      throw lost?.reason ?? new AppError('store_unavailable');
    },
  };
};
