/** A machine's clock beside that of a real Redis. */
import t from 'tap';
import { createMetrics, printMetrics } from '../../../shared/metrics.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { watchClock } from '../../admin/clock.js';
import { openClient } from '../store.js';

t.test(
  'a clock that is far from that of Redis is told once, and when it is right again',
  async (t) => {
    const redis = await openClient(t, await startRedis(t));
    const lines: { level: string; fields: object }[] = [];
    const metrics = createMetrics({ defaults: false });
    let aheadMs = 0;
    const { look, close } = watchClock({
      redis,
      metrics,
      log: {
        info: (fields: object) => lines.push({ level: 'info', fields }),
        warn: (fields: object) => lines.push({ level: 'warn', fields }),
      },
      now: () => Date.now() + aheadMs,
    });
    t.teardown(close);
    const shown = async () => {
      const text = printMetrics([await metrics.json()]);
      return Number(/^floodgate_clock_ahead_seconds (.*)$/m.exec(await text)?.[1]);
    };
    await look();
    t.same(lines, []);
    t.ok(Math.abs(await shown()) < 5, 'both are that of this machine');
    for (const ahead of [-30_000, -31_000, 0, 45_000]) {
      aheadMs = ahead;
      await look();
      t.ok(Math.abs((await shown()) - ahead / 1000) < 5, `${ahead} ms`);
    }
    t.same(
      lines.map(({ level }) => level),
      ['warn', 'info', 'warn'],
    );
    t.match(lines.at(-1)?.fields, { aheadSeconds: Number });
    redis.disconnect();
    await look();
    t.equal(lines.length, 3, 'nothing is said of what is not known');
  },
);
