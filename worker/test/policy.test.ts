import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { isAppError } from '../../shared/errors.js';
import { createBlocklist } from '../passwords/blocklist.js';
import { commonPasswords } from '../passwords/blocklist-words.js';
import { createPolicy, targetProblem, toOpaque } from '../passwords/policy.js';

const target = { memoryKiB: 19_456, passes: 2, lanes: 1 };
const policy = createPolicy({ target, blocklist: createBlocklist() });

const reasonOf = (password: string): string | undefined => {
  try {
    policy.checkNew('password', password);
    return undefined;
  } catch (error) {
    return isAppError(error) ? error.reason : 'thrown';
  }
};

t.test('length is counted in code points after normalisation, and limited in bytes', async (t) => {
  const cases: [string, string | undefined][] = [
    ['1234567', 'password_too_short'],
    ['zq8-kx2w', undefined],
    ['🙂'.repeat(7), 'password_too_short'],
    ['🙂'.repeat(8), undefined],
    ['e\u0301'.repeat(7), 'password_too_short'],
    ['e\u0301'.repeat(8), undefined],
    ['        ', undefined],
    ['x'.repeat(4096), undefined],
    ['x'.repeat(4097), 'password_too_long'],
    ['é'.repeat(2049), 'password_too_long'],
  ];
  for (const [password, wanted] of cases)
    t.equal(reasonOf(password), wanted, JSON.stringify(password.slice(0, 20)));
});

t.test('common passwords are refused in any case, and nothing else is', async (t) => {
  const words = commonPasswords.trim().split(/\s+/);
  t.equal(new Set(words).size, 3000);
  t.same(
    words.filter((word) => reasonOf(word) !== 'password_common'),
    [],
  );
  t.equal(reasonOf('PassWord1'), 'password_common');
  t.equal(reasonOf('password1 '), undefined, 'no trimming');
  for (let i = 0; i < 100; i++) {
    const password = `${Math.random().toString(36)}-x`;
    t.equal(reasonOf(password), undefined, password);
  }
});

t.test('a list of one’s own is added', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-list-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'list.txt');
  writeFileSync(file, 'Acme Corp 2026\r\n\nfloodgate-prod\n');
  const list = createBlocklist(file);
  t.ok(list.has('acme corp 2026'));
  t.ok(list.has('Floodgate-Prod'));
  t.notOk(list.has(''));
  t.throws(() => createBlocklist(join(dir, 'none.txt')));
});

t.test('OpaqueString: every space is U+0020, then NFC, and twice is once', async (t) => {
  const cases: [string, string][] = [
    ['plain ASCII ~', 'plain ASCII ~'],
    ['a\u00a0b\u2003c\u3000d', 'a b c d'],
    ['Ame\u0301lie', 'Amélie'],
    ['\u212b', 'Å'],
    ['ﬁ', 'ﬁ'],
    ['a\tb', 'a\tb'],
    ['', ''],
  ];
  for (const [text, wanted] of cases) {
    t.equal(toOpaque(text), wanted);
    t.equal(toOpaque(toOpaque(text)), wanted);
  }
});

t.test('new hashes cover the normalised password', async (t) => {
  t.same(policy.hashWork('Ame\u0301lie\u00a0P'), ['hash', 'Amélie P', 19_456, 2, 1]);
});

t.test('settings weaker than OWASP’s minimum are refused, and absurd ones', async (t) => {
  t.equal(targetProblem(target), undefined);
  t.equal(targetProblem({ memoryKiB: 65_536, passes: 3, lanes: 4 }), undefined);
  for (const change of [{ memoryKiB: 19_455 }, { passes: 1 }, { lanes: 0 }])
    t.match(targetProblem({ ...target, ...change }), 'weaker');
  for (const change of [{ memoryKiB: 262_145 }, { passes: 11 }, { lanes: 17 }])
    t.match(targetProblem({ ...target, ...change }), 'above');
});
