/**
 * When the keyring is read and changed: every edge looks at it every few seconds (one GET) and at once
 * when the revocation log says that it has changed; the first to find a key old makes the next one.
 * And what an operator asks for: a new key now, or the end of one with everything that it signed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { Keyring } from './keys.js';
import type { MacPurpose } from './mac-ring.js';
import type { Revocation, Revocations } from './revocations.js';

const pollMs = 5000;
/** Until every edge has heard of a change and taken it in: some milliseconds, and as much again. */
const noticeMs = 1000;

type Publish = (entry: Revocation) => Promise<void>;

/** Each change has an id of its own, or the log would take two for one. */
const announce = (publish: Publish, keys: Keyring) =>
  publish({ kind: 'keyring', id: keys.serial().toString() });

/** Runs until closed; a store that does not answer is asked again. */
export const followKeys = ({
  keys,
  revocations,
  log,
}: {
  keys: Keyring;
  revocations: Pick<Revocations, 'onKeys' | 'publish'>;
  log: Pick<Log, 'info' | 'warn'>;
}) => {
  let isAsked = false;
  let renewing = Promise.resolve();

  const renew = async () => {
    try {
      if (!(await keys.renew())) return;
      log.info({ keys: keys.list() }, 'a new signing key is published');
      await announce(revocations.publish, keys);
    } catch (err) {
      log.warn({ err }, 'the keyring could not be read or renewed');
    }
  };

  const reload = async () => {
    isAsked = false;
    await keys.reload().catch((err: unknown) => log.warn({ err }, 'the keyring could not be read'));
  };

  // Edges that poll together would all make a key and throw all but one away.
  const nextPoll = () => pollMs * (0.5 + Math.random());
  const poll = () => {
    renewing = renew();
    void renewing.then(() => {
      if (timer !== undefined) timer = setTimeout(poll, nextPoll());
    });
  };
  let timer: NodeJS.Timeout | undefined = setTimeout(poll, nextPoll());

  // Reading a whole log again may bring many such entries at once.
  revocations.onKeys(() => {
    if (!isAsked) setImmediate(() => void reload());
    isAsked = true;
  });

  return {
    close: async (): Promise<void> => {
      clearTimeout(timer);
      timer = undefined;
      await renewing;
    },
  };
};

/** What an operator may do with the keys, from a process that signs nothing itself. */
export const createKeyDesk = ({
  keys,
  publish,
  keepMs,
}: {
  keys: Keyring;
  publish: Publish;
  /** How long at most a token of each kind may be presented. */
  keepMs: Record<MacPurpose, number>;
}) => ({
  list: async () => {
    await keys.reload();
    return { keys: keys.list(), macs: keys.listMacs() };
  },

  /** A new key, unless one is waiting already; it signs when every JWKS cache can know it. */
  rotate: async (): Promise<void> => {
    if (await keys.rotate()) await announce(publish, keys);
  },

  /** A new key behind refresh or device tokens; the old one checks until nobody can have one of its own. */
  rotateMac: async (purpose: MacPurpose): Promise<void> => {
    if (await keys.rotateMac(purpose, keepMs[purpose])) await announce(publish, keys);
  },

  /**
   * Ends a key. Its successor signs first, everywhere, so that nobody signs in with a token that is
   * dead; then everything the old one signed is refused on every edge. Repeatable until it is done.
   * Throws not_found, store_unavailable.
   */
  revoke: async (kid: string): Promise<void> => {
    await keys.reload();
    if (!keys.verifying.has(kid)) throw new AppError('not_found');
    if (await keys.replace(kid, noticeMs)) {
      await announce(publish, keys);
      await sleep(2 * noticeMs);
    }
    await publish({ kind: 'key', id: kid });
    await keys.drop(kid);
    await announce(publish, keys);
  },
});
