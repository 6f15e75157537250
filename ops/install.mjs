/**
 * From a fresh clone to programs that run: packages when what is installed is not what the lockfile
 * says, a build when it is missing or older than the sources (it leaves a stamp: a hash of what it was
 * made from). A second start does neither.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from './files.mjs';
import { projectRoot as root } from './paths.mjs';
import { runStep } from './run-step.mjs';

/** @typedef {{ say: (text: string) => void, signal?: AbortSignal, needsDev?: boolean }} Options */

const buildStamp = join(root, 'dist/.stamp');

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
  const sources = ['shared', 'worker', 'gateway', 'client'].flatMap(inFolder).sort();
  return ['package-lock.json', 'tsconfig.json', 'ops/build.mjs', ...sources];
};

/** @typedef {Record<string, { version: string, optional?: true, dev?: true }>} Packages */

/** @param {string} path @returns {Packages} */
const readPackages = (path) => JSON.parse(readIfThere(join(root, path)) ?? '{}').packages ?? {};

/**
 * npm writes down what it has installed in the form of the lockfile. Optional packages may be missing
 * (they are for other platforms), and so may development packages if nobody needs them.
 * @param {boolean} needsDev
 */
const isInstalled = (needsDev) => {
  const installed = readPackages('node_modules/.package-lock.json');
  return Object.entries(readPackages('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return existsSync(join(root, 'node_modules'));
    const found = installed[path];
    if (found !== undefined) return found.version === wanted.version;
    return wanted.optional === true || (!needsDev && wanted.dev === true);
  });
};

export const isBuilt = () => readIfThere(buildStamp) === hashFiles(listSources());

/** For a reload, which builds nothing: where there is a build without sources, it is as new as can be. */
export const isOutdated = () => {
  try {
    return existsSync(join(root, 'tsconfig.json')) && !isBuilt();
  } catch {
    return true; // they are changing just now
  }
};
export const outdatedHint =
  'The build is older than the sources: run `npm run build` and reload again, or the old code goes on.';

/** For the build script: what `isBuilt` looks at, taken before the compiler runs. Half a build has no stamp. */
export const stampBuild = () => {
  const stamp = hashFiles(listSources());
  rmSync(buildStamp, { force: true });
  return () => writeFileSync(buildStamp, stamp);
};

/** Development packages too unless the build is there: the compiler is one. @param {Options} options */
export const ensureInstalled = async (options) => {
  if (isInstalled(options.needsDev ?? !isBuilt())) return;
  await runStep(['npm', 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    ...options,
    label: 'Installing packages (npm ci)',
    hint: 'Check the network connection and try again.',
    cwd: root,
  });
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
