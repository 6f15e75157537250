/**
 * From a fresh clone to programs that run: packages when they are missing or the lockfile changed, a
 * build when it is missing or older than the sources. Both leave a stamp (a hash of what they were
 * made from), so that a second start does neither.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from './files.mjs';
import { projectRoot as root } from './paths.mjs';
import { runStep } from './run-step.mjs';

/** @typedef {{ say: (text: string) => void, signal?: AbortSignal }} Options */

const packagesStamp = join(root, 'node_modules/.floodgate-stamp');
const buildStamp = join(root, 'dist/.stamp');
const npmLock = join(root, 'node_modules/.package-lock.json');

/** @param {string[]} paths relative to the root */
const hashFiles = (paths) => {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  return hash.digest('hex');
};

const listSources = () => {
  const inFolder = (/** @type {string} */ folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
          .filter((path) => /\.(ts|json)$/.test(path) && !/(^|\/)test\//.test(path))
          .map((path) => `${folder}/${path}`)
      : [];
  const sources = ['shared', 'worker', 'gateway'].flatMap(inFolder).sort();
  return ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', ...sources];
};

/** @param {string} path @param {string} text */
const writeStamp = (path, text) => writeFileSync(path, text);

const hashPackages = () => hashFiles(['package.json', 'package-lock.json']);

/** Installed by hand (`npm ci`) and not older than the lockfile counts as well. */
const isInstalled = () => {
  const stamp = readIfThere(packagesStamp);
  if (!existsSync(npmLock)) return false;
  if (stamp !== undefined) return stamp === hashPackages();
  return statSync(npmLock).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
};

const isBuilt = () => readIfThere(buildStamp) === hashFiles(listSources());

/** For the build script: what `isBuilt` looks at, taken before the compiler runs. */
export const stampBuild = () => {
  const stamp = hashFiles(listSources());
  return () => writeStamp(buildStamp, stamp);
};

/** Development packages too: the compiler is one. @param {Options} options */
export const ensureInstalled = async (options) => {
  if (isInstalled()) return;
  await runStep(['npm', 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    ...options,
    label: 'Installing packages (npm ci)',
    hint: 'Check the network connection and try again.',
    cwd: root,
  });
  writeStamp(packagesStamp, hashPackages());
};

/** @param {Options} options */
export const ensureBuilt = async (options) => {
  if (isBuilt()) return;
  await runStep([process.execPath, join(root, 'ops/build.mjs')], {
    ...options,
    label: 'Building',
    hint: 'Run `npm run build` to see it again.',
    cwd: root,
  });
};
