/**
 * Tells when the clock of this machine and that of Redis differ, which all gateways of a fleet share: a token
 * whose issuer is more than a minute ahead is one from the future at the others. Which of the two is wrong
 * nobody knows.
 */
import type { Metrics } from '../../shared/metrics.js';
import type { RedisClient } from '../../shared/redis.js';
import { storeCall } from '../../shared/redis-calls.js';

type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };

const everyMs = 60_000;
/** Far more than two clocks that are kept differ by, and a sixth of what tokens may. */
const toldFromMs = 10_000;

/** `now` in ms since the epoch. Returns how to look once, which never throws, and how to end. */
export const watchClock = (options: {
  redis: RedisClient;
  metrics: Metrics;
  log: Logs;
  now?: () => number;
}): { look: () => Promise<void>; close: () => void } => {
  const { redis, metrics, log, now = Date.now } = options;
  const help =
    "By how much this machine's clock is ahead of Redis', when last looked at (once a minute)";
  const gauge = metrics.gauge('clock_ahead_seconds', help);
  let isTold = false;

  const look = async () => {
    const sentAt = now();
    const [seconds, micros] = await storeCall(redis.time()).catch(() => []);
    if (seconds === undefined || micros === undefined) return;
    const wayMs = now() - sentAt;
    const aheadMs = sentAt + wayMs / 2 - (Number(seconds) * 1000 + Number(micros) / 1000);
    const aheadSeconds = Math.round(aheadMs) / 1000;
    gauge.set(aheadSeconds);
    const isOff = Math.abs(aheadMs) - wayMs / 2 > toldFromMs;
    if (isOff && !isTold)
      log.warn(
        { aheadSeconds },
        "this machine's clock and Redis' differ: from a minute on, other gateways refuse its tokens or it theirs; keep both by NTP",
      );
    if (!isOff && isTold) log.info({ aheadSeconds }, "this machine's clock and Redis' agree again");
    isTold = isOff;
  };

  void look();
  const timer = setInterval(look, everyMs).unref();
  return { look, close: () => clearInterval(timer) };
};
