/**
 * `floodgate init`: what `npm start` and pm2 do by themselves, for installations that start the
 * programs some other way.
 */
import { preparePaths } from './paths.mjs';
import { initSecrets } from './secrets.mjs';

/** @param {readonly string[]} _args @param {Record<string, string | undefined>} env */
export const runInit = (_args, env) => {
  const paths = preparePaths(env);
  initSecrets(paths);
  return `Secrets are in ${paths.secrets}. Back them up: without them the data is lost.`;
};
