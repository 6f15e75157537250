/**
 * Runs one program to its end and shows that something is going on: a line at the start, one every
 * five seconds, and of its output only the ends, and only if it fails.
 */
import { spawn } from 'node:child_process';
import { Refusal } from './refusal.mjs';

const beatMs = 5000;
const keptBytes = 65_536;

/** The reason is in the first lines (npm) or in the last (apt, tsc). @param {string} output */
const shorten = (output) => {
  const lines = output.trim().split('\n');
  return lines.length <= 20
    ? lines.join('\n')
    : [...lines.slice(0, 8), '  …', ...lines.slice(-8)].join('\n');
};

/**
 * Rejects with Refusal when the program cannot be run or ends with another code than 0.
 * @param {string[]} command
 * @param {{
 *   label: string, hint: string, say: (text: string) => void, signal?: AbortSignal | undefined,
 *   cwd?: string, env?: Record<string, string>,
 * }} options
 * @returns {Promise<void>}
 */
export const runStep = (command, { label, hint, say, signal, cwd, env }) =>
  new Promise((resolve, reject) => {
    const [file = '', ...args] = command;
    const startedAt = performance.now();
    let output = '';
    const child = spawn(file, args, {
      ...(cwd ? { cwd } : {}),
      ...(signal ? { signal } : {}),
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    say(`${label} …`);
    const beat = setInterval(() => {
      say(`${label} … ${Math.round((performance.now() - startedAt) / 1000)} s`);
    }, beatMs);
    const keep = (/** @type {Buffer} */ data) => {
      output = (output + data).slice(-keptBytes);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const fail = (/** @type {string} */ what) => {
      reject(new Refusal(`${label} failed: ${what}\n${shorten(output)}\n${hint}`));
    };
    child.once('error', (error) => fail(error.message));
    child.once('close', (code, killedBy) => {
      clearInterval(beat);
      if (code === 0) resolve();
      else fail(code === null ? `ended by ${killedBy}` : `code ${code}`);
    });
  });
