/**
 * `npm run build`: compiles into dist/ and leaves the stamp by which `npm start` sees that the build is
 * as new as the sources.
 */
import { spawnSync } from 'node:child_process';
import { stampBuild } from './install.mjs';
import { projectRoot } from './paths.mjs';

const writeStamp = stampBuild();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'],
  { cwd: projectRoot, stdio: 'inherit' },
);
if (status === 0) writeStamp();
else process.exitCode = 1;
