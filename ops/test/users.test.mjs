/**
 * Exports of other products as rows, checked to the end: a sample of each is read as the command reads
 * it, its rows as the admin child and a node read them, and the password must match. Also the readers
 * for CSV, JSON and lines, cut into pieces at every place.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createMarks } from '../../gateway/import/marks.js';
import { readImportRow } from '../../gateway/import/row.js';
import { createAccounts } from '../../gateway/username.js';
import { readRowHash } from '../../worker/import/read-hash.js';
import { createKeyRing } from '../../worker/passwords/keys.js';
import { runWork } from '../../worker/passwords/work.js';
import { createCsv } from '../users/csv.mjs';
import { createJsonItems } from '../users/json-items.mjs';
import { mappings, parseMap } from '../users/mappings.mjs';
import { createSeen } from '../users/seen.mjs';
import { openSource } from '../users/source.mjs';

const samples = join(dirname(fileURLToPath(import.meta.url)), 'samples');
/** The project of Firebase's own example. */
const signer =
  'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';
const ring = createKeyRing({
  keys: { fb: Buffer.from(signer, 'base64'), pep: Buffer.from('pepper-of-devise') },
});
const names = { accounts: createAccounts(Buffer.alloc(32)), marks: createMarks('a secret') };

const readAll = async (path, map) => {
  const items = [];
  for await (const page of openSource(path, { map }).pages({ bytes: 0 })) items.push(...page);
  return items;
};

const toRows = async (file, source, settings = {}) => {
  const map = (record) => mappings[source].map(record, settings);
  const items = await readAll(join(samples, file), map);
  return items.map(({ line, text, code }) => ({ line, code, ...(text ? JSON.parse(text) : {}) }));
};

/** What a node makes of a row, and whether this password matches. */
const check = (row, password) => {
  const { line: _, code: __, ...fields } = row;
  const read = readImportRow(JSON.stringify(fields), {}, names);
  if (read.row === undefined) return { problems: read.problems };
  const { hash, result } = readRowHash(read.row, ring, new Map());
  const isRight = hash !== undefined && runWork(hash.verify(password, ring.need(hash.keyIds)));
  return { found: result?.found, isRight };
};

const right = { found: undefined, isRight: true };
const none = { found: ['hash_unusable'], isRight: false };

/** For each sample: file, source, and for each row id, login, password (undefined: none), disabled. */
const table = [
  [
    ['django.csv', 'django'],
    ['1', 'admin', 'hashcat'],
    ['2', 'old.timer', 'hashcat'],
    ['3', 'sso.only'],
    ['4', 'left', 'hashcat', 'disabled'],
  ],
  [
    ['django.json', 'django'],
    ['1', 'admin', 'hashcat'],
  ],
  [
    ['wordpress.csv', 'wordpress'],
    ['1', 'admin', 'hashcat'],
    ['2', 'by.hand', 'hashcat'],
    ['3', 'spammer', 'hashcat', 'disabled'],
  ],
  [
    ['drupal.csv', 'drupal'],
    ['1', 'root', 'hashcat'],
    ['2', 'blocked', 'hashcat', 'disabled'],
  ],
  [
    ['keycloak.json', 'keycloak'],
    ['5b1f2f1e-0b0e-4b57-9f44-0d1c2b3a4f5e', 'maria', 'iceberg'],
    ['6c2f2f1e-0b0e-4b57-9f44-0d1c2b3a4f5e', 'federated', undefined, 'disabled'],
  ],
  [
    ['firebase.json', 'firebase', { key: 'fb' }],
    ['Xa1b2C3d4E5f6', 'fire@example.org', 'user1password'],
    ['Yb1b2C3d4E5f6', '+15550100', undefined, 'disabled'],
  ],
  [
    ['auth0.ndjson', 'auth0'],
    ['auth0|60425da93519d90068f82966', 'zero@example.org', 'hashcat'],
    ['auth0|2', 'custom@example.org', 'hashcat'],
    ['auth0|3', 'salted@example.org', 'hashcat', 'disabled'],
    ['auth0|6', 'scrypt@example.org', 'hashcat'],
    ['auth0|7', 'nt@example.org', 'hashcat'],
  ],
  [
    ['aspnet.csv', 'aspnet'],
    ['4f6d0c1e-9d0b-4f63-8f0e-2f9a8a3b7c11', 'Anders@example.org', 'my password'],
    ['5f6d0c1e-9d0b-4f63-8f0e-2f9a8a3b7c11', 'old@example.org', 'my password', 'disabled'],
  ],
  [
    ['devise.csv', 'devise', { pepper: 'pep' }],
    ['1', 'rails@example.org', 'hashcat'],
    ['2', 'locked@example.org', 'hashcat', 'disabled'],
  ],
  [
    ['laravel.csv', 'laravel'],
    ['1', 'taylor@example.org', 'hashcat'],
  ],
  [
    ['kratos.json', 'kratos'],
    ['7e1f2f1e-0b0e-4b57-9f44-0d1c2b3a4f5e', 'kra@example.org', 'test'],
    ['8e1f2f1e-0b0e-4b57-9f44-0d1c2b3a4f5e', 'oidc@example.org', undefined, 'disabled'],
  ],
  [
    ['supabase.csv', 'supabase'],
    ['d0e5f8a2-1111-4222-8333-444455556666', 'supa@example.org', 'hashcat'],
    ['d0e5f8a2-1111-4222-8333-444455556667', 'oauth@example.org', undefined, 'disabled'],
  ],
];

for (const [[file, source, settings], ...expected] of table)
  t.test(`an export of ${source} (${file})`, async (t) => {
    const rows = await toRows(file, source, settings);
    t.equal(rows.length, expected.length);
    for (const [at, [id, login, password, status]] of expected.entries()) {
      const row = rows[at] ?? {};
      t.match(row, { id, login });
      t.equal(row.status, status);
      t.strictSame(check(row, password ?? ''), password === undefined ? none : right, login);
      if (password !== undefined) t.notOk(check(row, `${password}x`).isRight, 'another password');
    }
  });

t.test('keys in the rows of a file for Auth0 leave them for the key ring', async (t) => {
  const rows = await toRows('auth0-keys.ndjson', 'auth0');
  const [hex, base64, stranger, unknown] = rows;
  const moved = { found: ['secret_in_row'], isRight: true };
  for (const row of [hex, base64]) {
    t.strictSame(check(row, 'hashcat'), moved, row.login);
    t.notOk(check(row, 'hashcut').isRight);
  }
  t.strictSame(check(stranger, 'hashcat').found, ['key_unknown', 'secret_in_row']);
  t.strictSame(check(unknown, 'hashcat').found, ['hash_unknown'], 'another function');
  const { row } = readImportRow(JSON.stringify({ ...hex, line: undefined }), {}, names);
  const { stored } = readRowHash(row, ring, new Map());
  t.match(stored, /^\$x-hmac\$alg=sha256,o=k,salt=,key=pep\$/, 'the id of the key, not the key');
});

/** Rows whose optional columns are all empty, and what is there without a password or a second name. */
const sparse = [
  ['django', { id: 1, username: 'a', is_active: 't' }, ['password', 'email']],
  ['wordpress', { ID: 1, user_login: 'a' }, ['user_pass', 'user_email', 'user_status']],
  ['drupal', { uid: 1, name: 'a', status: 1 }, ['pass', 'mail']],
  ['auth0', { user_id: 1, email: 'a' }, ['passwordHash', 'username', 'blocked']],
  ['aspnet', { Id: 1, UserName: 'a' }, ['PasswordHash', 'Email', 'LockoutEnd']],
  ['devise', { id: 1, username: 'a' }, ['encrypted_password', 'email', 'locked_at']],
  ['laravel', { id: 1, name: 'a' }, ['password', 'email', 'deleted_at']],
  [
    'supabase',
    { id: 1, phone: 'a' },
    ['encrypted_password', 'email', 'banned_until', 'deleted_at'],
  ],
];

t.test('an empty column is empty, however a database prints it', async (t) => {
  const row = { id: '1', login: 'a', hash: null };
  for (const [source, fields, columns] of sparse)
    for (const empty of ['', 'NULL', '\\N']) {
      const record = { ...fields, ...Object.fromEntries(columns.map((name) => [name, empty])) };
      t.strictSame(mappings[source].map(record, {}), { row }, `${source}: ${empty}`);
    }
  const { map } = mappings.laravel;
  t.match(map({ email: 'null', password: '\\n' }), { row: { login: 'null', hash: '\\n' } });
  const off = { row: { status: 'disabled' } };
  for (const empty of ['', 'NULL', '\\N'])
    t.match(mappings.django.map({ username: 'a', is_active: empty }, {}), off, 'not said to be');
});

t.test('columns by name', async (t) => {
  const map = parseMap('login=Mail,hash=Pass,id=No');
  t.strictSame(map?.({ Mail: 'a@b.c', Pass: 'x', No: '7' }), {
    row: { login: 'a@b.c', hash: 'x', id: '7' },
  });
  for (const Mail of ['', 'NULL', '\\N'])
    t.match(map?.({ Mail, Pass: 'x', No: '7' }), { code: 'E_FIELD_MISSING' });
  t.equal(parseMap('hash=Pass'), undefined);
  t.equal(parseMap('login'), undefined);
});

/** The text in two pieces, cut at every place. */
const cuts = (text) =>
  Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);

t.test('CSV, wherever the pieces end', async (t) => {
  const text = '\uFEFFa,b\r\n"x ""y"", z","1\n2"\r\n\r\n,"",\n3,4';
  const expected = [
    { line: 1, fields: ['a', 'b'] },
    { line: 2, fields: ['x "y", z', '1\n2'] },
    { line: 5, fields: ['', '', ''] },
    { line: 6, fields: ['3', '4'] },
  ];
  for (const pieces of cuts(text)) {
    const csv = createCsv();
    const rows = [...pieces.flatMap((piece) => csv.push(piece)), ...csv.end()];
    t.strictSame(rows, expected);
  }
});

t.test('the users of a JSON document, wherever the pieces end', async (t) => {
  const text =
    '{"a":{"users":[{"no":1}]},"x":"users","users":[\n{"b":"}]\\"","c":[{"d":1}]},\n{}],"z":[{}]}';
  for (const pieces of cuts(text)) {
    const items = createJsonItems();
    const found = pieces.flatMap((piece) => items.push(piece));
    t.strictSame(found, [
      { line: 2, text: '{"b":"}]\\"","c":[{"d":1}]}' },
      { line: 3, text: '{}' },
    ]);
    t.ok(items.isComplete());
  }
  const oneLine = createJsonItems().push('[{"a":1},{"a":2},\n\n\n{"a":3},{"a":4}]');
  const lines = oneLine.map(({ line }) => line);
  t.strictSame(lines, [1, 2, 4, 5], 'each has a line of its own, in order');
});

t.test('lines: too long, not UTF-8, without an end', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-lines-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'file');
  const parts = ['{"type":"header","version":1}\n', '{"a":1}\r\n\n', 'x'.repeat(600_000), '\n'];
  writeFileSync(
    path,
    Buffer.concat([
      ...parts.map((part) => Buffer.from(part)),
      Buffer.from([0xff, 10]),
      Buffer.from('{}'),
    ]),
  );
  t.strictSame(await readAll(path), [
    { line: 2, text: '{"a":1}' },
    { line: 4, code: 'E_LINE_TOO_LONG' },
    { line: 5, code: 'E_ENCODING' },
    { line: 6, text: '{}' },
  ]);
});

t.test('what was seen is known again, however much was', async (t) => {
  const seen = createSeen();
  const print = Buffer.alloc(8);
  const ask = (n) => {
    print.writeUInt32LE(Math.imul(n, 0x9e3779b1) >>> 0, 0);
    print.writeUInt32LE(n + 1, 4);
    return seen(print, 0, n + 1);
  };
  for (let n = 0; n < 200_000; n++) if (ask(n) !== undefined) t.fail(`${n} is new`);
  for (let n = 0; n < 200_000; n++) if (ask(n) !== n + 1) t.fail(`${n} is known`);
  t.equal(seen(Buffer.alloc(8), 0, 1), undefined, 'no print is never known');
  t.equal(seen(Buffer.alloc(8), 0, 2), undefined);
});
