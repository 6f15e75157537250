/**
 * Reads settings from environment variables into plain values and reports every problem together.
 * Secrets may be given as NAME or, better, as NAME_FILE (a path); both at once is an error
 * unless they say the same.
 * A config module calls these readers once and ends with `check()`.
 */
import { readFileSync } from 'node:fs';
import { type Address, parseAddress } from './address.js';
import { systemCodeOf } from './describe-error.js';

export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`${problems.length} problem(s) in the settings:\n  - ${problems.join('\n  - ')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

export type Env = ReturnType<typeof createEnv>;

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "300ms", "30s", "10m", "12h", "7d" → milliseconds; undefined when it is none of these. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^(0|[1-9][0-9]{0,9})(ms|s|m|h|d)$/.exec(text);
  const unit = units[match?.[2] ?? ''];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
};

export const createEnv = (source: Record<string, string | undefined>) => {
  const problems: string[] = [];
  const complain = (text: string) => problems.push(text);

  const read = (name: string): string | undefined => {
    const value = source[name];
    return value === undefined || value === '' ? undefined : value;
  };

  const string = (name: string, options: { default?: string } = {}): string => {
    const value = read(name) ?? options.default;
    if (value === undefined) complain(`${name} is missing.`);
    return value ?? '';
  };

  const optional = (name: string): string | undefined => read(name);

  /** `because`: what sets the limits, where that is not the setting's own nature. */
  const int = (
    name: string,
    options: { default: number; min: number; max: number; because?: string },
  ): number => {
    const text = read(name);
    if (text === undefined) return options.default;
    const value = /^(0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : Number.NaN;
    if (value >= options.min && value <= options.max) return value;
    const because = options.because === undefined ? '' : `: ${options.because}`;
    complain(`${name} must be a whole number from ${options.min} to ${options.max}${because}.`);
    return options.default;
  };

  const durationMs = (
    name: string,
    options: { default: number; min?: number; max?: number },
  ): number => {
    const text = read(name);
    if (text === undefined) return options.default;
    const value = parseDuration(text);
    const { min = 0, max } = options;
    if (value !== undefined && value >= min && value <= (max ?? Number.MAX_SAFE_INTEGER))
      return value;
    const range = max === undefined ? `at least ${min} ms` : `${min} to ${max} ms`;
    complain(`${name} must be a duration such as 300ms, 30s, 10m or 7d (${range}).`);
    return options.default;
  };

  const readFile = (name: string, path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch (error) {
      const code = systemCodeOf(error) ?? 'unknown';
      complain(`${name}_FILE cannot be read (${code}).`);
      return undefined;
    }
  };

  const secret = (name: string): string | undefined => {
    const path = read(`${name}_FILE`);
    const value = read(name);
    if (path === undefined) return value;
    const text = readFile(name, path);
    if (value !== undefined && value !== text) complain(`Set ${name} or ${name}_FILE, not both.`);
    return text;
  };

  const requiredSecret = (name: string, hint: string): string => {
    const before = problems.length;
    const value = secret(name);
    if ((value === undefined || value === '') && problems.length === before)
      complain(`${name} (or ${name}_FILE) is missing: ${hint}`);
    return value ?? '';
  };

  /** "current" or "current,previous", how a shared secret rotates: no empty part, none guessable. */
  const rotatingSecret = (name: string, hint: string): string[] => {
    const text = requiredSecret(name, hint);
    const parts = text.split(',').map((part) => part.trim());
    if (text !== '' && (parts.length > 2 || parts.some((part) => part.length < 16)))
      complain(`${name} must be "current" or "current,previous", each at least 16 characters.`);
    return parts;
  };

  const list = (name: string): string[] =>
    (read(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');

  /** The values of settings that go together: of all of them, or undefined when none is set. */
  const together = (...names: string[]): string[] | undefined => {
    const values = names.flatMap((name) => read(name) ?? []);
    if (values.length === names.length) return values;
    if (values.length > 0) complain(`${names.join(', ')} go together: set all of them or none.`);
    return undefined;
  };

  const address = (name: string, options: { minPort: number }): Address | undefined => {
    const text = read(name);
    if (text === undefined) return undefined;
    const value = parseAddress(text);
    if (value !== undefined && value.port >= options.minPort) return value;
    complain(`${name} must be host:port such as 10.0.0.5:7443 or [::]:7443.`);
    return undefined;
  };

  const oneOf = <T extends string>(name: string, values: readonly T[], fallback: T): T => {
    const text = read(name);
    if (text === undefined) return fallback;
    const found = values.find((value) => value === text);
    if (found === undefined) complain(`${name} must be one of ${values.join(', ')}.`);
    return found ?? fallback;
  };

  const flag = (name: string): boolean => oneOf(name, ['0', '1'], '0') === '1';

  /** Throws ConfigError naming every problem found so far. */
  const check = () => {
    if (problems.length > 0) throw new ConfigError(problems);
  };

  return {
    string,
    optional,
    int,
    durationMs,
    secret,
    requiredSecret,
    rotatingSecret,
    list,
    together,
    address,
    oneOf,
    flag,
    complain,
    check,
  };
};

/** For `--check-config`: the same object with the named fields hidden. */
export const mask = (config: object, secrets: readonly string[]): object =>
  Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name,
      secrets.includes(name) && value !== undefined ? '(secret)' : value,
    ]),
  );
