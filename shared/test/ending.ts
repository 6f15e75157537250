/**
 * A program that ends as `lifecycle.ts` says: `node ending.ts STOP_MS NAME=ok|fail|hang:MS...`. Prints `up`,
 * then the steps as they run and what is said of them.
 */
import { createLifecycle } from '../lifecycle.js';

const [stopMs = '', ...steps] = process.argv.slice(2);

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const log = {
  info: (_fields: object, text: string) => say(text),
  error: (fields: { step?: string }, text: string) =>
    say(`${text.split(' ').at(-1)} ${fields.step}`),
};

const { onStop } = createLifecycle({ log, role: 'child', stopMs: Number(stopMs) });
for (const step of steps) {
  const [name = '', what = ''] = step.split('=');
  const [kind, ms = '5000'] = what.split(':');
  const run = () => {
    say(name);
    if (kind === 'fail') throw new Error('on purpose');
    return kind === 'hang' ? new Promise(() => {}) : undefined;
  };
  onStop(name, run, Number(ms));
}
setInterval(() => {}, 1000);
say('up');
