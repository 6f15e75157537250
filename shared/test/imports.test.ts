/** The import rules of the house, executable: who may know whom, and no circles, types included. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const programs = ['shared', 'gateway', 'worker', 'client', 'bench', 'sim', 'ops'];

const filesBelow = (dir: string): string[] =>
  readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    if (name === 'node_modules' || name === 'out') return [];
    if (statSync(path).isDirectory()) return filesBelow(path);
    return /\.(ts|mjs)$/.test(name) ? [path] : [];
  });

const importForm = /^\s*(?:import|export)\b[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)/gm;

type File = { path: string; local: string[]; packages: string[]; text: string };

const read = (path: string): File => {
  const text = readFileSync(join(root, path), 'utf8');
  const found = [...text.matchAll(importForm)].map((match) => match[1] ?? match[2] ?? '');
  const local = found
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(root, resolve(root, dirname(path), name)).replace(/\.js$/, '.ts'));
  return { path, local, packages: found.filter((name) => !/^(\.|node:)/.test(name)), text };
};

const all = programs
  .flatMap((name) => filesBelow(join(root, name)))
  .map((path) => read(relative(root, path)));
const isTest = ({ path }: File) => path.includes('/test/') || path.startsWith('test/');
const product = all.filter((file) => !isTest(file));
const topOf = (path: string) => path.split('/')[0] ?? '';

t.test('programs do not import each other, and shared imports neither', async (t) => {
  const allowed: Record<string, string[]> = {
    shared: ['shared'],
    gateway: ['gateway', 'shared'],
    worker: ['worker', 'shared'],
    client: ['client'],
    bench: ['bench', 'client'],
    sim: ['sim', 'shared', 'bench', 'gateway', 'worker'],
    ops: ['ops'],
  };
  // A node with a timer in place of hash threads, or cheap hashes, is still the real node; another proxy in front
  // of the nodes speaks their protocol. What a routing decision costs is asked of the code itself, and the reference
  // loop gives its threads the product's own work.
  const exceptions: Record<string, string[]> = {
    'bench/stand-in-node.ts': ['shared', 'worker'],
    'bench/legacy/cheap-node.ts': ['shared', 'worker'],
    'bench/haproxy-process.ts': ['shared'],
    'bench/routing-cases.ts': ['gateway'],
    'bench/loop.ts': ['worker'],
  };
  for (const file of product)
    for (const target of file.local) {
      const mine = [...(allowed[topOf(file.path)] ?? []), ...(exceptions[file.path] ?? [])];
      const isAllowed = mine.includes(topOf(target));
      t.ok(isAllowed, `${file.path} imports ${target}`);
    }
});

/** What the simulator drives: code that reads no clock but the one it is given, and no socket. */
const simulated =
  /^gateway\/nodes\/(rank|load|breaker|choose|retry|dispatch|attempt|probe|keep-missing)\.ts$|^worker\/(fence|passwords\/admission)\.ts$/;
const simTools = ['bench/command-line.ts', 'bench/peer.ts', 'bench/report.ts', 'bench/stats.ts'];

t.test('the simulator imports what it simulates, and nobody imports it', async (t) => {
  for (const file of product.filter(({ path }) => topOf(path) === 'sim')) {
    const types = new Set(
      [...file.text.matchAll(/import type [^'"]*?from\s+'([^']+)'/g)].map(
        (match) => match[1] ?? '',
      ),
    );
    const typesOnly = [...types].map((name) => join(dirname(file.path), name.replace(/js$/, 'ts')));
    for (const target of file.local) {
      const isFree = ['sim', 'shared'].includes(topOf(target)) || typesOnly.includes(target);
      t.ok(
        isFree || simulated.test(target) || simTools.includes(target),
        `${file.path} → ${target}`,
      );
    }
  }
});

t.test('there are no circles', async (t) => {
  const edges = new Map(product.map((file) => [file.path, file.local]));
  const done = new Set<string>();
  const walk = (path: string, trail: string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const next of edges.get(path) ?? []) {
      const circle = walk(next, [...trail, path]);
      if (circle) return circle;
    }
    done.add(path);
    return undefined;
  };
  for (const { path } of product) t.equal(walk(path, [])?.join(' → '), undefined, path);
});

t.test('routes do not import routes', async (t) => {
  for (const file of product.filter(({ path }) => path.includes('/routes/')))
    for (const target of file.local)
      t.notOk(target.includes('/routes/'), `${file.path} → ${target}`);
});

t.test('only main and server see the whole configuration, a part gets its slice', async (t) => {
  const isWhole = /^(gateway|worker)\/(main|config|(admin\/)?server)\.ts$/;
  const served = product.filter(({ path }) => /^(gateway|worker)\//.test(path));
  for (const { path, text } of served.filter((file) => !isWhole.test(file.path)))
    t.notMatch(text, /: Config\b/, path);
  const knows = /import [^;]*\bConfig\b[^;]*config\.js'/;
  t.ok(
    served.some(({ path, text }) => !isWhole.test(path) && knows.test(text)),
    'slices by Pick',
  );
});

t.test('a shared file is used by both programs', async (t) => {
  const users = (target: string, seen = new Set<string>()): Set<string> => {
    for (const file of product) {
      if (!file.local.includes(target) || seen.has(file.path)) continue;
      seen.add(file.path);
      if (topOf(file.path) === 'shared') users(file.path, seen);
    }
    return seen;
  };
  for (const { path } of product.filter((file) => topOf(file.path) === 'shared')) {
    const tops = new Set([...users(path)].map(topOf));
    t.ok(tops.has('gateway') && tops.has('worker'), `${path} is used by ${[...tops].join(', ')}`);
  }
});

t.test('each external package has one importer', async (t) => {
  const importers = new Map<string, Set<string>>();
  const served = product.filter(({ path }) => /^(shared|gateway|worker)\//.test(path));
  for (const file of served)
    for (const name of file.packages) {
      // jose is the one package with a folder of its own.
      const door = name === 'jose' ? dirname(file.path) : file.path;
      importers.set(name, (importers.get(name) ?? new Set()).add(door));
    }
  for (const [name, doors] of importers)
    t.equal(doors.size, 1, `${name}: ${[...doors].join(', ')}`);
});

t.test('the first process of the gateway loads no package', async (t) => {
  const valueForm = /^\s*(?:import|export)\s(?!type\b)[^'"]*?from\s+'([^']+)'/gm;
  const seen = new Set<string>();
  const walk = (path: string): void => {
    const file = product.find((one) => one.path === path);
    if (file === undefined || seen.has(path)) return;
    seen.add(path);
    const values = [...file.text.matchAll(valueForm)].map(([, name]) => name ?? '');
    for (const name of file.packages) t.notOk(values.includes(name), `${path} → ${name}`);
    for (const name of values.filter((one) => one.startsWith('.')))
      walk(join(dirname(path), name.replace(/\.js$/, '.ts')));
  };
  walk('gateway/main.ts');
  walk('gateway/primary.ts');
  t.ok(seen.size > 10, `${seen.size} files`);
});

t.test('the client library needs nothing but the language and fetch', async (t) => {
  for (const { path, text, packages } of product.filter(({ path }) => topOf(path) === 'client')) {
    t.strictSame(packages, [], path);
    t.notMatch(text, /\bprocess\.|\b(Buffer|__dirname)\b|'node:/, path);
  }
});

t.test('the process is touched in main, primary and lifecycle only', async (t) => {
  const served = product.filter(({ path }) => /^(shared|gateway|worker)\//.test(path));
  const free = /\/(main|primary|lifecycle)\.ts$/;
  for (const { path, text } of served.filter((file) => !free.test(file.path))) {
    t.notMatch(text, /process\.(env|exit|on|once|send)\b(?!:)/, path);
  }
});

t.test('types are not forced', async (t) => {
  for (const { path, text } of product.filter((file) => file.path.endsWith('.ts')))
    t.notMatch(text, /\bas any\b|: any\b|@ts-ignore|@ts-expect-error|biome-ignore/, path);
});
