/** The manifest as `kubectl apply -l` takes it apart. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { realRoot } from './project.mjs';

const text = readFileSync(join(realRoot, 'ops/kubernetes/floodgate.yaml'), 'utf8');
const objects = parseAllDocuments(text).map((one) => one.toJS());

/** The pods that an object is about. */
const podsOf = ({ spec }) =>
  (spec.podSelector ?? spec.selector).matchLabels?.app ?? spec.selector.app;

t.test(
  'every object has the label of its pods, so that each program can be applied alone',
  async (t) => {
    for (const one of objects)
      t.equal(one.metadata.labels?.app, podsOf(one), `${one.kind} ${one.metadata.name}`);
    const apps = [...new Set(objects.map(podsOf))].sort();
    t.same(apps, ['floodgate-gateway', 'floodgate-node']);
    const page = readFileSync(join(realRoot, 'docs/kubernetes.md'), 'utf8');
    for (const app of apps)
      t.match(page, `kubectl apply -l app=${app} -f ops/kubernetes/floodgate.yaml`);
  },
);
