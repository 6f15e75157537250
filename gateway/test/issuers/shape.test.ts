import t from 'tap';
import { shapeOf } from '../../issuers/shape.js';
import { createFakeKeys, encode, forge, sessionId } from '../tokens/fake-keys.js';

const keys = createFakeKeys();
const good = forge(keys);
const [head = '', body = '', signature = ''] = good.split('.');

t.test('a JWT names its issuer', async (t) => {
  t.match(shapeOf(good), {
    kind: 'jwt',
    alg: 'EdDSA',
    typ: 'at+jwt',
    iss: 'https://login.example',
  });
});

t.test('what is neither a proper JWT nor a secret of ours is opaque', async (t) => {
  for (const token of ['abc', 'ory_at_abc.def', 'a.b.c', 'a-._~+/b==', 'eyJhbGciOiJub25lIn0'])
    t.strictSame(shapeOf(token), { kind: 'opaque' }, token);
  const encrypted = `${encode({ alg: 'dir', enc: 'A256GCM' })}..aa.bb.cc`;
  t.strictSame(shapeOf(encrypted), { kind: 'opaque' }, 'an encrypted JWT');
});

t.test('what must not be shown to anybody', async (t) => {
  const cases: Record<string, string> = {
    'a session cookie of ours': sessionId,
    'a refresh token of ours': `${sessionId}.3.k1.${'m'.repeat(43)}`,
    'a device token of ours': `${'u'.repeat(22)}.1800000000.k1.${'m'.repeat(43)}`,
    'a JWT without iss': `${head}.${encode({ sub: 'x' })}.${signature}`,
    'a JWT whose payload is no JSON': `${head}.${encode('{')}.${signature}`,
    'an unsigned JWT': `${head}.${body}.`,
    'a JWT with padding': `${good}=`,
    'a JWT with a part too many': `${good}.x`,
    'a JWT of two parts': `${head}.${body}`,
    'iss is a list': `${head}.${encode({ iss: ['a'] })}.${signature}`,
    'a space': 'ab cd',
    'not ASCII': 'abé',
    'too long': 'a'.repeat(13_000),
    empty: '',
  };
  for (const [name, token] of Object.entries(cases)) t.equal(shapeOf(token), undefined, name);
});

t.test('a JWT has one spelling', async (t) => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = letters.indexOf(good.slice(-1));
  t.equal(shapeOf(good.slice(0, -1) + letters[last ^ 1]), undefined);
});
