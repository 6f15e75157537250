/**
 * Tokens that were never issued, or are none of its business, asked about by a client that has proved itself:
 * RFC 7662 § 4 wants such scanning bounded. Tokens that were good once do not count, and no number of
 * guesses keeps a client from asking about good ones: strangers may send a resource server what they
 * like, and must not shut it out.
 */
import { createHash } from 'node:crypto';
import type { RedisClient } from '../../shared/redis.js';
import { defaultLimits } from '../limits/limit-scripts.js';
import { createLimits } from '../limits/limits.js';

export type CountGuess = ReturnType<typeof createGuesses>;

const minute = 60_000;
const attempts = { attemptsPerMinute: 1_000_000_000 };

/** Counts one guess of this client; throws too_many_attempts, or store_unavailable when it cannot count. */
export const createGuesses = ({
  redis,
  perMinute = 1000,
}: {
  redis: RedisClient;
  perMinute?: number;
}) => {
  const account = { ...attempts, failures: perMinute, windowMs: minute };
  const limits = createLimits({ redis, settings: { ...defaultLimits, account } });
  return async (clientId: string): Promise<void> => {
    const u = createHash('sha256').update(`guess ${clientId}`).digest('base64url').slice(0, 22);
    const whose = { client: undefined, network: undefined, kind: 'client' } as const;
    const reservation = await limits.reserve({ ...whose, u });
    await reservation.fail();
  };
};
