/**
 * What an edge does for its logins, as a process of its own that can be stopped: `node standing-edge.ts SOCKET
 * LOGINS` sends so many at once to the node there, and says how they ended and what it thinks of the node.
 */
import { createMetrics } from '../../../shared/metrics.js';
import { openVerdict } from '../../../shared/protocol.js';
import { createAttempt } from '../../nodes/attempt.js';
import { createMeters } from '../../nodes/meters.js';
import { createPool } from '../../nodes/pool.js';
import { createProbes } from '../../nodes/probe.js';
import { createRank } from '../../nodes/rank.js';
import { secret } from './fake-node.js';

const [path = '', logins = ''] = process.argv.slice(2);
const now = () => performance.now();
const pool = createPool({ rank: createRank(secret), secret, now });
const about = {
  boot_id: 'boot-1',
  endpoints: [],
  slots: 2,
  version: '',
  zone: '',
  draining: false,
};
pool.sync([{ entry: { ...about, id: 'n1' }, place: { kind: 'unix', path } }]);
const [node] = pool.nodes();
if (node === undefined) throw new Error('no node');
createProbes({ nodes: pool.nodes, now });
const attempt = createAttempt({
  nodes: pool.nodes,
  open: (bootId, id, body) => openVerdict([secret], bootId, id, body),
  meters: createMeters({ metrics: createMetrics({ defaults: false }), nodes: pool.nodes, now }),
  now,
});

const common = { route: '/login', u: 'u', class: 'login', body: {}, requestId: 'r' } as const;
const outcomes = await Promise.all(
  Array.from({ length: Number(logins) }, (_, i) =>
    attempt(
      node,
      { ...common, attemptId: `a${i}`, deadlineAt: now() + 5000 },
      { body: '{}', isLast: () => false },
    ),
  ),
);
const ends = outcomes.map((outcome) => (outcome.kind === 'verdict' ? 'verdict' : outcome.label));
process.send?.({ ends, isOpen: node.breaker.isOpen() });
process.on('disconnect', () => process.exit());
