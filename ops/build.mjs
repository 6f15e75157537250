/**
 * `npm run build`: compiles into dist/ and leaves the stamp by which `npm start` sees that the build is
 * as new as the sources.
 */
import { spawnSync } from 'node:child_process';
import { stampBuild } from './install.mjs';
import { projectRoot } from './paths.mjs';

const writeStamp = stampBuild();
/** The client library apart: for browsers, with its types. */
const isBuilt = ['tsconfig.build.json', 'client/tsconfig.json'].every((project) => {
  const command = ['node_modules/typescript/bin/tsc', '-p', project];
  return spawnSync(process.execPath, command, { cwd: projectRoot, stdio: 'inherit' }).status === 0;
});
if (isBuilt) writeStamp();
else process.exitCode = 1;
