/** Whole runs of the import and campaign benches, tiny: what they count must be right. */
import t from 'tap';
import { ensureBuilt } from '../../launch.js';
import { measureCampaign } from '../../legacy/campaign-measure.js';
import { measureImport } from '../../legacy/import-measure.js';

t.setTimeout(600_000);

const options = { nodes: [1], durationSeconds: 1, pairs: 2, progress: () => {} };

t.test('an import and one that is killed and resumed: every row is there once', async (t) => {
  ensureBuilt();
  const found = await measureImport({ ...options, rows: 300 }, { nodes: 1, kills: 1, samples: 30 });
  const kinds = { '1 $argon2id': 100, '1 pbkdf2_sha256': 100, '1 $x-digest': 100 };
  t.strictSame(found.records.byKind, kinds);
  t.equal(found.records.ids, 300);
  t.strictSame(found.signIns, { tried: 30, ok: 30 });
  t.equal(found.killed.records.total, 360);
  t.equal(found.killed.records.ids, 360);
  t.ok(found.perSecond > 0);
  for (const name of ['command', 'admin', 'nodes', 'redis']) t.ok(found.usage[name]?.peak, name);
});

t.test('a campaign, its nodes killed: every record is wrapped once', async (t) => {
  ensureBuilt();
  const found = await measureCampaign(
    { ...options, rows: 300 },
    {
      ...{ nodes: 1, users: 20, warmUpMs: 300, capacityMs: 300, rampMs: 0 },
      slice: { settleMs: 100, windowMs: 300 },
    },
  );
  t.strictSame(found.before.byKind, { '1 $x-digest': 300, '1 $argon2id': 20 });
  t.strictSame(found.after.byKind, { '2 $wrap1': 300, '1 $argon2id': 20 });
  t.match(found.campaign, { status: 'done', due: 300 });
  t.strictSame(found.signIns, { tried: 300, ok: 300 });
  t.equal(found.atEnd.byKind['3 $argon2id'], 300);
  t.ok(found.comparison.a.length >= 2);
});
