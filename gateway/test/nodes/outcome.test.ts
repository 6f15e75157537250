import t from 'tap';
import { openVerdict, signVerdict, type Verdict } from '../../../shared/protocol.js';
import type { Answer } from '../../nodes/forward.js';
import { judge } from '../../nodes/outcome.js';

const secrets = ['current', 'previous'];
const open = (body: unknown) => openVerdict(secrets, 'boot-1', 'attempt-1', body);
const verdict: Verdict = {
  attempt_id: 'attempt-1',
  outcome: 'ok',
  user_id: 'u_1',
  gen: 1,
  scopes: 'account',
};
const answered = (status: number, body: unknown): Answer => ({
  kind: 'answered',
  status,
  body,
  load: undefined,
});
const codeFor = (status: number, body: unknown) => {
  const outcome = judge(answered(status, body), open);
  return outcome.kind === 'error' ? `${outcome.label} ${outcome.error.code}` : outcome.kind;
};

t.test('a verdict signed for this attempt and this boot, under either secret', async (t) => {
  for (const secret of secrets) {
    const outcome = judge(answered(200, signVerdict(secret, 'boot-1', verdict)), open);
    t.same(outcome, { kind: 'verdict', verdict });
  }
});

t.test('nothing else signs anyone in', async (t) => {
  const signed = signVerdict('current', 'boot-1', verdict);
  const { mac, ...unsigned } = signed;
  const forged: Record<string, unknown> = {
    'another attempt': signVerdict('current', 'boot-1', { ...verdict, attempt_id: 'attempt-2' }),
    'another attempt renamed': {
      ...signVerdict('current', 'boot-1', { ...verdict, attempt_id: 'attempt-2' }),
      attempt_id: 'attempt-1',
    },
    'another boot': signVerdict('current', 'boot-2', verdict),
    'another secret': signVerdict('guessed', 'boot-1', verdict),
    'another user': { ...signed, user_id: 'u_2' },
    'another outcome': {
      ...signVerdict('current', 'boot-1', { ...verdict, outcome: 'denied' }),
      outcome: 'ok',
    },
    'more scopes': { ...signed, scopes: 'account admin' },
    'no signature': unsigned,
    'a short one': { ...signed, mac: mac.slice(1) },
    'an unknown outcome': { ...signed, outcome: 'yes' },
    'a generation that is text': { ...signed, gen: '1' },
    'an empty body': undefined,
    null: null,
    'a list': [signed],
    text: 'ok',
  };
  for (const [name, body] of Object.entries(forged))
    t.equal(codeFor(200, body), 'bad_answer bad_node_answer', name);
});

t.test('a verdict with another status is none', async (t) => {
  const signed = signVerdict('current', 'boot-1', verdict);
  for (const status of [500, 502, 503])
    t.equal(codeFor(status, signed), 'broken bad_node_answer', String(status));
  for (const status of [201, 204, 302])
    t.equal(codeFor(status, signed), 'bad_answer bad_node_answer', String(status));
  t.equal(codeFor(404, signed), 'unexpected bad_node_answer');
});

t.test('errors of a node are known by status and code', async (t) => {
  const refused = { error: 'overloaded', started: false, wait_ms: 120 };
  t.equal(codeFor(503, refused), 'refused overloaded');
  t.match(judge(answered(503, refused), open), { refusedMs: 120 });
  t.match(judge(answered(503, { ...refused, wait_ms: 'x' }), open), { refusedMs: 0 });
  t.equal(codeFor(503, { error: 'overloaded' }), 'broken bad_node_answer', 'perhaps started');
  t.equal(codeFor(503, { error: 'store_unavailable' }), 'store_lost store_unavailable');
  for (const what of ['key_missing', 'library_missing'])
    t.equal(codeFor(503, { error: what }), `${what} temporarily_unavailable`);
  const unknown = { error: 'bad_request', reason: 'unknown_field' };
  t.equal(codeFor(400, unknown), 'older_version bad_node_answer', 'no fault of the client');
  t.equal(codeFor(401, { error: 'not_authenticated' }), 'stale_boot no_node');
  t.equal(codeFor(401, { error: 'bad_credentials' }), 'unexpected bad_node_answer');
  for (const what of ['internal', 'thread_lost'])
    t.equal(codeFor(500, { error: what }), 'broken bad_node_answer');
  t.equal(codeFor(503, { error: 'constructor' }), 'broken bad_node_answer');
  t.equal(codeFor(400, 'bad_request'), 'unexpected bad_node_answer');
});

t.test('a reason passes through by name, never as text', async (t) => {
  const error = (body: object) => {
    const outcome = judge(answered(400, { error: 'bad_request', ...body }), open);
    return outcome.kind === 'error' ? outcome.error : undefined;
  };
  const good = error({ reason: 'password_common', field: 'new_password' });
  t.match(good, { code: 'bad_request', reason: 'password_common', field: 'new_password' });
  const odd = error({ reason: 'drop table', field: '<script>', error_description: 'secret' });
  t.equal(odd?.code, 'bad_request');
  t.equal(odd?.reason, undefined);
  t.equal(odd?.field, undefined);
});

t.test('no answer at all is a failure by its kind', async (t) => {
  const labels = [
    { kind: 'unreached', code: 'no_node' },
    { kind: 'died', code: 'bad_node_answer' },
    { kind: 'timeout', code: 'timeout' },
    { kind: 'aborted', code: 'timeout' },
  ] as const;
  for (const { kind, code } of labels)
    t.match(judge({ kind }, open), { kind: 'error', label: kind, error: { code } });
  t.match(judge({ kind: 'malformed', detail: 'x' }, open), { label: 'bad_answer' });
});
