/** The lockfile works on every platform: `npm ci` refuses one that lacks an optional dependency. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { realRoot } from './project.mjs';

const { packages } = JSON.parse(readFileSync(join(realRoot, 'package-lock.json'), 'utf8'));

/** As Node resolves it: in the package's own node_modules or in one further up. */
const isListed = (from, name) => {
  for (
    let base = from;
    ;
    base = base.slice(0, Math.max(0, base.lastIndexOf('node_modules/') - 1))
  ) {
    if (packages[`${base === '' ? '' : `${base}/`}node_modules/${name}`]) return true;
    if (base === '') return false;
  }
};

t.test('every optional dependency has an entry', async (t) => {
  const missing = Object.entries(packages).flatMap(([from, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isListed(from, name)),
  );
  t.same(missing, [], 'an npm install without the other platforms has dropped them');
});

t.test('direct dependencies are exact versions', async (t) => {
  const { dependencies, devDependencies } = packages[''];
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    t.match(version, /^(npm:[\w-]+@)?\d+\.\d+\.\d+$/, name);
});
