import { randomBytes } from 'node:crypto';
import t from 'tap';
import { isAppError } from '../../shared/errors.js';
import { createAccounts, normaliseUsername } from '../username.js';

/** Test names must be one line of ASCII. */
const show = (text: string) =>
  [...text.slice(0, 20)]
    .map((c) => (/[ -~]/.test(c) ? c : `<${c.codePointAt(0)?.toString(16)}>`))
    .join('');

const outcome = (name: string): string => {
  try {
    return normaliseUsername(name);
  } catch (error) {
    return isAppError(error) ? `! ${error.reason}` : 'not ours';
  }
};

t.test('spellings of one name meet', async (t) => {
  const cases: [string, string][] = [
    ['alice', 'alice'],
    ['Alice', 'alice'],
    ['ＡＬＩＣＥ', 'alice'],
    ['Zo\u0065\u0308', 'zoë'],
    ['ZOË', 'zoë'],
    ['straße', 'straße'],
    ['ﾊﾛｰ', 'ハロー'],
    ['two words', 'two words'],
    ['two\u3000words', 'two words'],
    ['a@example.org', 'a@example.org'],
  ];
  for (const [name, canonical] of cases) t.equal(outcome(name), canonical, show(name));
});

t.test('what cannot be a name', async (t) => {
  const cases: [string, string][] = [
    ['', 'username_length'],
    ['x'.repeat(257), 'username_length'],
    ['😀'.repeat(257), 'username_length'],
    [' alice', 'username_character'],
    ['alice ', 'username_character'],
    ['\u3000alice', 'username_character'],
    ['a\u0000b', 'username_character'],
    ['a\nb', 'username_character'],
    ['a\u200Db', 'username_character'],
    ['a\u00ADb', 'username_character'],
    ['a\u00A0b', 'username_character'],
    ['a\u2028b', 'username_character'],
    ['a\uE000b', 'username_character'],
    ['a\u{E0001}b', 'username_character'],
    ['a\uFFFFb', 'username_character'],
  ];
  for (const [name, reason] of cases) t.equal(outcome(name), `! ${reason}`, show(name));
  t.equal(outcome('x'.repeat(256)).length, 256);
  t.equal(outcome('😀'.repeat(256)).length, 512);
});

t.test('a canonical name is a fixed point', async (t) => {
  for (let code = 0x20; code < 0x30000; code += 7) {
    const name = `a${String.fromCodePoint(code)}b`;
    if (!name.isWellFormed()) continue;
    const once = outcome(name);
    if (!once.startsWith('!')) t.equal(outcome(once), once, code.toString(16));
  }
});

t.test('account keys: 22 characters, one per name and data set', async (t) => {
  const accounts = createAccounts(randomBytes(32));
  const { name, u } = accounts('Alice');
  t.equal(name, 'alice');
  t.match(u, /^[\w-]{22}$/);
  t.equal(accounts('ALICE').u, u);
  t.not(accounts('bob').u, u);
  t.not(createAccounts(randomBytes(32))('alice').u, u);
});
