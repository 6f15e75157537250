import t from 'tap';
import { AppError, codeOf } from '../../shared/errors.js';
import { needsRehash } from '../passwords/formats/needs-rehash.js';
import { createKeyRing, parseKeys } from '../passwords/keys.js';
import { runWork } from '../passwords/work.js';

const bytes = Buffer.alloc(16, 7);
const text = bytes.toString('base64');

t.test('a key ring is read strictly', async (t) => {
  t.same(parseKeys(''), {});
  const sixteen = text.replace(/=+$/, '');
  t.same(parseKeys(`p1:${text}, fb_1:${sixteen}\nh:AA==`), {
    p1: bytes,
    fb_1: bytes,
    h: Buffer.alloc(1),
  });
  for (const bad of [text, `:${text}`, `0:${text}`, `P:${text}`, `p12345678:${text}`, 'p:', 'p:=='])
    t.type(parseKeys(bad), 'string', bad);
  t.match(parseKeys(`p:${text},p:${text}`), 'twice');
  t.notMatch(parseKeys('p:hunter2!'), 'hunter2', 'a problem does not quote the secret');
});

t.test('what is asked for is there, or it is an alarm and never a wrong password', async (t) => {
  const missing: string[] = [];
  const ring = createKeyRing({ keys: { p1: bytes }, onMissing: (id) => missing.push(id) });
  t.same(ring.need([]), {});
  t.same(ring.need(['p1']), { p1: bytes });
  try {
    ring.need(['p1', 'p2']);
    t.fail('a key that is not there was found');
  } catch (error) {
    t.equal(codeOf(error), 'key_missing');
    t.ok(error instanceof AppError);
  }
  t.same(missing, ['p2']);
  t.equal(ring.idOf(Buffer.from(bytes)), 'p1');
  t.equal(ring.idOf(Buffer.from('another')), undefined);
  t.equal(ring.pepper, undefined);
  t.throws(() => createKeyRing({ keys: {}, pepper: 'p1' }));
  t.throws(() => createKeyRing({ keys: { p1: Buffer.alloc(15) }, pepper: 'p1' }));
});

t.test('a new hash under a pepper names its key; only weaker records are due', async (t) => {
  const hash = runWork(['hash', 'password', 64, 1, 1, { id: 'p1', bytes }]);
  t.match(hash, /^\$argon2id\$v=19\$m=64,t=1,p=1,keyid=cDE\$[^$]{22}\$[^$]{43}$/);
  const salt = Buffer.alloc(16);
  const record = (key: string) => ({
    kind: 'argon2',
    params: { v: 'id', version: 19, m: 64, t: 1, p: 1, salt, key },
  });
  const tag = Buffer.alloc(32);
  const target = { memoryKiB: 64, passes: 1, lanes: 1 };
  const isDue = (key: string, pepper?: string) =>
    needsRehash(record(key), tag, { ...target, ...(pepper ? { pepper } : {}) });
  t.equal(isDue('-'), false);
  t.equal(isDue('p1'), false, 'without a pepper a peppered record is not weaker');
  t.equal(isDue('-', 'p1'), true);
  t.equal(isDue('p0', 'p1'), true);
  t.equal(isDue('p1', 'p1'), false);
});
