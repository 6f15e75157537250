import t from 'tap';
import { isAppError } from '../errors.js';
import { parseJson } from '../json.js';

const reasonOf = (text: string | Buffer): string => {
  try {
    parseJson(Buffer.from(text));
    return 'accepted';
  } catch (error) {
    return isAppError(error) ? (error.reason ?? error.code) : 'not ours';
  }
};

const nested = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`;
const manyKeys = (n: number) => `{${Array.from({ length: n }, (_, i) => `"k${i}":1`).join()}}`;

t.test('the verdict on a body', async (t) => {
  const cases: [string, string | Buffer, string][] = [
    ['an object', '{"a":"b"}', 'accepted'],
    ['spaces', ' {"a" : [1, 2, {"b": null}] }\n', 'accepted'],
    ['quotes and braces inside strings', '{"a":"{\\"b\\":1,\\\\","c":"}{"}', 'accepted'],
    ['the same key in two objects', '{"a":{"k":1},"b":{"k":1}}', 'accepted'],
    ['a key and a value that are equal', '{"a":"b","b":"a"}', 'accepted'],
    ['depth 8', nested(8), 'accepted'],
    ['depth 9', nested(9), 'too_deep'],
    ['depth 9 of arrays', `{"a":${'['.repeat(8)}${']'.repeat(8)}}`, 'too_deep'],
    ['32 keys', manyKeys(32), 'accepted'],
    ['33 keys', manyKeys(33), 'too_many_keys'],
    ['a key twice', '{"a":1,"a":2}', 'duplicate_key'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', 'duplicate_key'],
    ['a key twice with space before the colon', '{"a":1,"a" :2}', 'duplicate_key'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', 'duplicate_key'],
    ['an array', '[]', 'not_object'],
    ['null', 'null', 'not_object'],
    ['a string', '"x"', 'not_object'],
    ['nothing', '', 'not_json'],
    ['half an object', '{"a":', 'not_json'],
    ['a trailing comma', '{"a":1,}', 'not_json'],
    ['a byte order mark', '\uFEFF{}', 'not_json'],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'not_utf8'],
  ];
  for (const [name, text, expected] of cases) t.equal(reasonOf(text), expected, name);
});

t.test('__proto__ stays a plain key', async (t) => {
  const body = parseJson(Buffer.from('{"__proto__":{"admin":true}}'));
  t.equal(Object.getPrototypeOf(body), Object.prototype);
  t.ok(Object.hasOwn(body, '__proto__'));
});

t.test('an error never quotes the body', async (t) => {
  try {
    parseJson(Buffer.from('{"password":"marker-secret'));
    t.fail('accepted');
  } catch (error) {
    t.notMatch(JSON.stringify(error) + String(error), 'marker');
    t.equal(isAppError(error) && error.cause, undefined);
  }
});
