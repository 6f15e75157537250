import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, createEnv, mask, parseDuration } from '../env.js';

t.test('durations', async (t) => {
  const cases: [string, number | undefined][] = [
    ['300ms', 300],
    ['30s', 30_000],
    ['10m', 600_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['5', undefined],
    ['-1s', undefined],
    ['1.5s', undefined],
    ['01s', undefined],
    ['1e3ms', undefined],
  ];
  for (const [text, ms] of cases) t.equal(parseDuration(text), ms, text);
});

t.test('all problems are reported together', async (t) => {
  const env = createEnv({ PORT: '80x', MODE: 'maybe', TTL: '5' });
  env.int('PORT', { default: 1, min: 0, max: 10 });
  env.oneOf('MODE', ['on', 'off'], 'on');
  env.durationMs('TTL', { default: 1 });
  env.requiredSecret('KEY', 'a hint.');
  t.throws(() => env.check(), ConfigError);
  try {
    env.check();
  } catch (error) {
    t.equal(error instanceof ConfigError && error.problems.length, 4);
    t.match(String(error), /PORT.*MODE.*TTL.*KEY.*a hint/s);
  }
});

t.test('limits are told where there are some, with what sets them', async (t) => {
  const problemOf = (read: (env: ReturnType<typeof createEnv>) => unknown): string => {
    const env = createEnv({ IT: 'x' });
    read(env);
    try {
      env.check();
    } catch (error) {
      return String(error);
    }
    return '';
  };
  const [min, max] = [1000, 5000];
  t.match(
    problemOf((env) => env.durationMs('IT', { default: 1, min, max })),
    '(1000 to 5000 ms)',
  );
  t.match(
    problemOf((env) => env.durationMs('IT', { default: 1, min })),
    '(at least 1000 ms)',
  );
  const because = 'so little memory';
  t.match(
    problemOf((env) => env.int('IT', { default: 1, min, max, because })),
    'from 1000 to 5000: so little memory.',
  );
  t.match(
    problemOf((env) => env.int('IT', { default: 1, min, max })),
    'from 1000 to 5000.',
  );
});

t.test('secrets come from files, not from both places unless they agree', async (t) => {
  const path = join(t.testdir(), 'key');
  writeFileSync(path, 'hidden\n');
  t.equal(createEnv({ KEY_FILE: path }).secret('KEY'), 'hidden');
  const same = createEnv({ KEY_FILE: path, KEY: 'hidden' });
  t.equal(same.secret('KEY'), 'hidden');
  t.doesNotThrow(() => same.check());
  const both = createEnv({ KEY_FILE: path, KEY: 'x' });
  both.secret('KEY');
  t.throws(() => both.check(), /not both/);
  const missing = createEnv({ KEY_FILE: `${path}.none` });
  missing.secret('KEY');
  t.throws(() => missing.check(), /ENOENT/);
});

t.test('masked settings show no secret', async (t) => {
  t.same(mask({ a: 1, key: 's', none: undefined }, ['key', 'none']), {
    a: 1,
    key: '(secret)',
    none: undefined,
  });
});
