import t from 'tap';
import { readKeyNames, readRowHash } from '../import/read-hash.js';
import { createKeyRing } from '../passwords/keys.js';
import { runWork } from '../passwords/work.js';

const bytes = Buffer.alloc(64, 5);
const alarms: string[] = [];
const ring = createKeyRing({
  keys: { fb: bytes, short: bytes.subarray(1) },
  onMissing: (id) => void alarms.push(id),
});
const firebase = (key: string) => ({
  format: 'firebase-scrypt',
  hash: Buffer.alloc(64, 1).toString('base64'),
  options: { salt: 'c2FsdA==', sep: 'Bw==', ln: '14', r: '8', key },
});
const asIs = (hash: string) => ({ format: '', hash, options: {} });
const peppered = (id: string) => String(runWork(['hash', 'a', 64, 1, 1, { id, bytes }]));

t.test('what needs a key that is not here is refused, declared or not', async (t) => {
  t.equal(readRowHash(asIs(peppered('fb')), ring).result, null);
  for (const row of [asIs(peppered('p9')), { ...asIs(peppered('p9')), format: 'argon2' }])
    t.match(readRowHash(row, ring), { stored: '', result: { found: ['key_unknown'] } });
  t.match(readRowHash(firebase('p9'), ring).result, { found: ['key_unknown'] });
  t.same(alarms, [], 'and is no alarm: nobody signs in with it');
});

t.test('a signer key of another length than the digest can never be the right one', async (t) => {
  const good = readRowHash(firebase('fb'), ring);
  t.match(good, { stored: /^\$x-fbscrypt\$.*key=fb\$/, result: null });
  const found = { stored: '', result: { found: ['key_unknown'] } };
  t.match(readRowHash(firebase('short'), ring), found);
  const names = readKeyNames({ mine: bytes.subarray(1).toString('base64') }, ring);
  t.match(readRowHash(firebase('mine'), ring, names), found, 'also by a name of the file');
  t.match(readRowHash(asIs(good.stored.replace('key=fb', 'key=short')), ring), found);
  t.match(readRowHash(asIs(good.stored.replace('key=fb', 'key=-')), ring), found, 'none at all');
});

t.test('what says by itself what it was declared as is stored as it came', async (t) => {
  const hash = peppered('fb');
  t.equal(readRowHash({ ...asIs(hash), format: 'argon2' }, ring).stored, hash);
});
