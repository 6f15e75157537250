#!/usr/bin/env node
/**
 * The `floodgate` command. `init` creates the data directory and its secrets, which `npm start` and pm2
 * do by themselves; on its own it is for installations that start the programs some other way.
 */
import { preparePaths } from './paths.mjs';
import { Refusal } from './refusal.mjs';
import { initSecrets } from './secrets.mjs';

const help = `Usage: floodgate <command>

  init     make the data directory (DATA_DIR, default .data) and its secrets, once
  certs    make certificates for nodes on other machines: floodgate certs --help
  --help   this text
`;

const init = () => {
  const paths = preparePaths(process.env);
  initSecrets(paths);
  console.log(`Secrets are in ${paths.secrets}. Back them up: without them the data is lost.`);
};

/** Loaded only when asked for: the rest of the command needs nothing installed. @param {string[]} args */
const certs = async (args) => {
  const { runCerts } = await import('./certs.mjs');
  console.log(await runCerts(args, process.env));
};

const [command, ...args] = process.argv.slice(2);
try {
  if (command === 'init') init();
  else if (command === 'certs') await certs(args);
  else if (command === '--help' || command === '-h') console.log(help);
  else {
    console.error(help);
    process.exitCode = 2;
  }
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
