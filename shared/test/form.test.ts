/** Form bodies: what is taken, and what two readers could understand differently. */
import t from 'tap';
import { AppError } from '../errors.js';
import { parseForm } from '../form.js';

const parse = (text: string | Buffer) => ({ ...parseForm(Buffer.from(text)) });
const reasonOf = (text: string | Buffer): unknown => {
  try {
    parse(text);
    return 'ok';
  } catch (error) {
    return error instanceof AppError ? error.reason : error;
  }
};

t.test('parameters, decoded', async (t) => {
  const cases: [string, object][] = [
    ['', {}],
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a=1&&b=2&', { a: '1', b: '2' }],
    ['a=x+y%2Bz', { a: 'x y+z' }],
    ['a=b=c', { a: 'b=c' }],
    ['a', { a: '' }],
    ['a=', { a: '' }],
    ['=x', { '': 'x' }],
    ['gr%C3%BC%C3%9Fe=%F0%9F%98%80', { grüße: '😀' }],
    ['grüße=1', { grüße: '1' }],
    ['constructor=1', { constructor: '1' }],
  ];
  for (const [text, fields] of cases) t.strictSame(parse(text), fields, text);
  t.equal(
    Object.getOwnPropertyDescriptor(parseForm(Buffer.from('__proto__=x')), '__proto__')?.value,
    'x',
  );
});

t.test('what is refused', async (t) => {
  const many = Array.from({ length: 33 }, (_, i) => `p${i}=`).join('&');
  const cases: [string | Buffer, string][] = [
    ['a=1&a=2', 'duplicate_key'],
    ['a=1&%61=1', 'duplicate_key'],
    ['a&a', 'duplicate_key'],
    ['a=%', 'not_form'],
    ['a=%zz', 'not_form'],
    ['%C3=1', 'not_form'],
    ['a=%C0%80', 'not_form'],
    ['a=%ED%A0%80', 'not_form'],
    [Buffer.from([97, 61, 0xff]), 'not_utf8'],
    [many, 'too_many_keys'],
  ];
  for (const [text, reason] of cases) t.equal(reasonOf(text), reason, String(text).slice(0, 20));
});
