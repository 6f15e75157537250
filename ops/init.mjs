/**
 * `floodgate init`: what `npm start` and pm2 do by themselves, for installations that start the
 * programs some other way.
 */
import { parseCommand } from './input.mjs';
import { preparePaths } from './paths.mjs';
import { initSecrets } from './secrets.mjs';

const initHelp = `Usage: floodgate init

Makes the data directory (DATA_DIR, default .data) and its secrets, where they are missing; what is
there stays as it is. \`npm start\` and pm2 do this by themselves.
`;

const options = /** @type {const} */ ({ help: { type: 'boolean', short: 'h' } });

/** @param {string[]} args @param {Record<string, string | undefined>} env */
export const runInit = (args, env) => {
  if (parseCommand({ args, options }, initHelp).values.help) return initHelp;
  const paths = preparePaths(env);
  initSecrets(paths);
  return `Secrets are in ${paths.secrets}. Back them up: without them the data is lost.`;
};
