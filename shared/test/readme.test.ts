/** The README's promises about itself: its settings table is the code's, its links lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = text('README.md');

/** Names that the programs ask their environment for. */
const asked = (path: string): string[] => {
  const source = text(path);
  const plain = source.matchAll(
    /env\.(?:string|optional|int|durationMs|list|address|oneOf|flag)\(\s*'([A-Z0-9_]+)'/g,
  );
  const secret = source.matchAll(/env\.(?:secret|requiredSecret)\(\s*'([A-Z0-9_]+)'/g);
  const groups = [...source.matchAll(/env\.together\(([^)]*)\)/g)].map((match) => match[1] ?? '');
  const grouped = groups.flatMap((group) => [...group.matchAll(/'([A-Z0-9_]+)'/g)]);
  return [...plain, ...secret, ...grouped].map((match) => match[1] ?? '');
};

const documented = [...readme.matchAll(/^\| `([A-Z0-9_]+)`/gm)].map((match) => match[1] ?? '');
const ofLauncher = ['NODES', 'PORT', 'DATA_DIR'];

t.test('every setting of the code is in the README, and no other', async (t) => {
  const inCode = new Set([
    ...asked('gateway/config.ts'),
    ...asked('worker/config.ts'),
    ...asked('worker/credentials/settings.ts'),
    ...asked('shared/identity.ts'),
    ...asked('shared/settings.ts'),
    ...ofLauncher,
  ]);
  for (const name of inCode) t.ok(documented.includes(name), `${name} is in the settings table`);
  for (const name of new Set(documented)) {
    const isElsewhere = /^(NODE_SECRET|KEY_ENCRYPTION_KEY|ADMIN_TOKEN|METRICS_TOKEN)$/.test(name);
    t.ok(inCode.has(name) || isElsewhere, `${name} is a setting of the code`);
  }
});

t.test('every runtime dependency has its line and its one importer', async (t) => {
  const { dependencies } = JSON.parse(text('package.json'));
  for (const [name, version] of Object.entries(dependencies)) {
    t.match(readme, new RegExp(`^\\| \`${name}\``, 'm'), `${name} is explained`);
    t.match(String(version), /^(npm:[\w-]+@)?\d+\.\d+\.\d+$/, `${name} is pinned`);
  }
  const doors = [...readme.matchAll(/^\| `[^`]+`[^|]*\| `([a-z/-]+(?:\.ts|\/))` \|/gm)];
  t.ok(doors.length >= 10);
  for (const [, door] of doors) t.ok(existsSync(join(root, door ?? '')), `${door} exists`);
});

/** As GitHub makes them: lower case, without punctuation, a dash for each space. */
const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );

t.test('links lead somewhere, in the README and in docs', async (t) => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
  let count = 0;
  for (const page of pages.filter((path) => path.endsWith('.md'))) {
    const links = [...text(page).matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)];
    for (const [link, path = '', anchor = ''] of links) {
      const target = path === '' ? page : join(dirname(page), path);
      t.ok(existsSync(join(root, target)), `${page}: ${link}`);
      if (anchor !== '') t.ok(anchorsOf(text(target)).includes(anchor), `${page}: ${link}`);
      count++;
    }
  }
  t.ok(count > 20, `${count} links`);
});

/** Names of metrics in a text, as they are in the code: without what a histogram adds. */
const metricsIn = (page: string): Set<string> =>
  new Set(
    [...text(page).matchAll(/floodgate_([a-z_]+)/g)].map(([, name = '']) =>
      name.replace(/_(?:bucket|sum|count)$/, ''),
    ),
  );

t.test('every metric that an alert or a page names is in the table, and in the code', async (t) => {
  const table = text('docs/metrics.md').slice(text('docs/metrics.md').indexOf('## All metrics'));
  const others = text('docs/other-issuers.md');
  const folders = [
    'gateway',
    'gateway/admin',
    'gateway/nodes',
    'gateway/issuers',
    'worker',
    'shared',
  ];
  const code = folders
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => path.endsWith('.ts'))
    .map(text)
    .join('\n');
  for (const page of ['docs/alerts.yaml', 'docs/metrics.md', 'README.md'])
    for (const name of metricsIn(page)) {
      if (name === '' || /^(process|nodejs)_/.test(name)) continue; // prom-client's
      const isThere = table.includes(`| \`${name}\` |`) || others.includes(name);
      t.ok(isThere, `${page}: ${name} is documented`);
      t.match(code, `'${name}'`, `${page}: ${name} is counted`);
    }
});
