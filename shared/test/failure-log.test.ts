import t from 'tap';
import { describeError, reasonOf } from '../describe-error.js';
import { AppError, type ErrorCode } from '../errors.js';
import { createFailureLog } from '../failure-log.js';

type Line = { level: string; left_out?: number; code?: string; route?: string; text: string };

const setUp = () => {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push({ ...fields, level, text });
  let clock = 0;
  const write = createFailureLog({
    log: { error: at('error'), warn: at('warn') },
    now: () => clock,
  });
  const pass = (ms: number) => {
    clock += ms;
  };
  const fail = (code: ErrorCode, cause?: unknown, detail = 'd') =>
    write(new AppError(code, { cause, detail }), '/v1/logout', 'r1');
  return { lines, pass, fail };
};

t.test('a failure of ours is said once in ten seconds, with its cause', async (t) => {
  const { lines, pass, fail } = setUp();
  const cause = new Error('NOPERM this user has no permissions');
  for (let i = 0; i < 5; i++) fail('store_unavailable', cause);
  t.equal(lines.length, 1);
  t.match(lines[0], { level: 'warn', request_id: 'r1', route: '/v1/logout', left_out: 0 });
  t.match(lines[0], { code: 'store_unavailable', err: { detail: 'd', cause } });
  pass(9999);
  fail('store_unavailable', cause);
  t.equal(lines.length, 1);
  pass(1);
  fail('store_unavailable', cause);
  fail('store_unavailable', cause);
  pass(10_000);
  fail('store_unavailable', cause);
  t.same(
    lines.map((line) => line.left_out),
    [0, 5, 1],
  );
});

t.test('codes, details and causes are told apart', async (t) => {
  const { lines, fail } = setUp();
  fail('store_unavailable', new Error('OOM'));
  fail('store_unavailable', new Error('MISCONF'));
  fail('timeout', new Error('OOM'));
  fail('bad_node_answer', undefined, 'status 500');
  fail('bad_node_answer', undefined, 'status 502');
  fail('no_node', new Error('outer', { cause: new Error('one') }));
  fail('no_node', new Error('outer', { cause: new Error('two') }));
  t.equal(lines.length, 7);
});

t.test('refusals are not failures of ours; what nobody foresaw is said each time', async (t) => {
  const { lines, fail } = setUp();
  for (const code of ['overloaded', 'bad_request', 'token_expired', 'too_many_attempts'] as const)
    fail(code);
  t.same(lines, []);
  fail('overloaded', new AppError('timeout'));
  t.match(lines.splice(0), [{ level: 'warn', code: 'overloaded' }], 'a node had failed before');
  for (let i = 0; i < 3; i++) fail('internal');
  t.same(
    lines.map(({ level, text }) => `${level} ${text}`),
    Array(3).fill('error internal error'),
  );
});

t.test('thousands of causes end in one line for their code, until some are old', async (t) => {
  const { lines, pass, fail } = setUp();
  for (let i = 0; i < 5000; i++) fail('store_unavailable', new Error(`cause ${i}`));
  t.equal(lines.length, 51);
  pass(10_000);
  fail('store_unavailable', new Error('cause 4999'));
  fail('store_unavailable', new Error('cause 4999'));
  t.equal(lines.length, 52);
});

t.test('nothing that quotes an input is said', async (t) => {
  const unknown = new Error("ERR unknown command 'X', with args beginning with: 'marker' 'marker'");
  const parse = () => JSON.parse('{"marker": marker}');
  let syntax: unknown;
  try {
    parse();
  } catch (error) {
    syntax = error;
  }
  for (const cause of [unknown, syntax, new Error('outer', { cause: unknown })]) {
    const error = new AppError('store_unavailable', { cause });
    t.notMatch(JSON.stringify(describeError(error)), 'marker');
    t.notMatch(reasonOf(error), 'marker');
  }
  t.equal(
    reasonOf(new AppError('no_node', { detail: 'not reachable', cause: unknown })),
    "no_node (not reachable): ERR unknown command 'X'",
  );
  t.equal(reasonOf('marker'), 'unknown');
  t.match(describeError('marker'), { type: 'string' });
});

t.test('a circle of causes has an end', async (t) => {
  const error = new Error('a');
  error.cause = error;
  t.ok(reasonOf(error).length < 500);
  t.ok(JSON.stringify(describeError(error)).length < 100_000);
});
