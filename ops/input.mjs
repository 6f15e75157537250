/**
 * What a command is given by whoever typed it: its arguments, and files that these name. What is wrong
 * with it is a Refusal that says so, of the command line a UsageError.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { codeOf } from './files.mjs';
import { Refusal, UsageError } from './refusal.mjs';

/**
 * The arguments as Node's parseArgs reads them, strictly; `help` follows what is wrong with them.
 * @template {import('node:util').ParseArgsConfig} T
 * @param {T} config
 * @param {string} help
 * @returns {ReturnType<typeof parseArgs<T>>}
 */
export const parseCommand = (config, help) => {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!codeOf(error).startsWith('ERR_PARSE_ARGS')) throw error;
    throw new UsageError(`${error instanceof Error ? error.message : ''}\n\n${help}`);
  }
};

/**
 * The JSON in a file. `what` it is meant to be, for the Refusal: "a header".
 * @param {string} path
 * @param {string} what
 * @returns {any}
 */
export const readJsonFile = (path, what) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : codeOf(error);
    throw new Refusal(`${path} cannot be read as ${what}: ${why}.`);
  }
};
