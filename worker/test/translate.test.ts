import { createHash } from 'node:crypto';
import t from 'tap';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { createTranslate, readDeclaration } from '../passwords/formats/translate.js';

const md5 = createHash('md5').update('a').digest('hex');
const bcrypt = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';

t.test('a declaration is a format and its options', async (t) => {
  t.same(readDeclaration('digest,alg=md5,encoding=hex'), {
    format: 'digest',
    options: { alg: 'md5', encoding: 'hex' },
  });
  t.throws(() => readDeclaration('nothing'), /CREDENTIALS_FORMAT is none of .*digest/);
  t.throws(() => readDeclaration('digest,md5'), /must be format,option=value/);
});

t.test(
  'what says what it is stays, what is declared becomes ours, the rest stays too',
  async (t) => {
    const translate = createTranslate(readDeclaration('digest,alg=md5'));
    t.equal(translate(bcrypt), bcrypt);
    t.match(translate(md5), /^\$x-digest\$/);
    t.ok(isUsable(readHash(translate(md5))));
    t.equal(translate(''), '!');
    for (const text of ['!', 'abc', `${md5}0`]) t.equal(translate(text), text);
    t.equal(createTranslate(undefined)(md5), md5);
  },
);
