import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig, maskConfig } from '../../config.js';
import { readIssuers } from '../../issuers/settings.js';

const jwks = {
  issuer: 'https://login.partner.example/realms/a',
  audience: 'https://api.example',
  jwks_url: 'https://login.partner.example/jwks',
};
const introspection = {
  name: 'legacy',
  issuer: 'https://auth.example',
  introspection_url: 'https://auth.example/introspect',
  client_id: 'gateway',
  client_secret: 'MARKER-secret',
};

const read = (list: unknown, own = 'https://own.example') => {
  const problems: string[] = [];
  const complain = (text: string) => problems.push(text);
  const text = typeof list === 'string' ? list : JSON.stringify(list);
  return { issuers: readIssuers({ complain }, text, own), problems };
};

t.test('two issuers with their defaults', async (t) => {
  const { issuers, problems } = read([jwks, introspection]);
  t.strictSame(problems, []);
  t.strictSame(issuers, [
    {
      kind: 'jwks',
      name: 'login.partner.example',
      issuer: jwks.issuer,
      scopePrefix: 'ext:login.partner.example:',
      audience: ['https://api.example'],
      jwksUrl: jwks.jwks_url,
      algorithms: ['RS256', 'ES256', 'EdDSA', 'Ed25519'],
      typ: 'at+jwt',
    },
    {
      kind: 'introspection',
      name: 'legacy',
      issuer: 'https://auth.example',
      scopePrefix: 'ext:legacy:',
      audience: [],
      introspectionUrl: introspection.introspection_url,
      clientId: 'gateway',
      clientSecret: 'MARKER-secret',
      clientAuth: 'basic',
      tokenPrefix: undefined,
    },
  ]);
  t.strictSame(readIssuers({ complain: () => t.fail() }, undefined, ''), []);
});

t.test('each problem, exactly', async (t) => {
  const at = 'EXTERNAL_ISSUERS[0]';
  const url = 'must be an https URL without user and fragment (http on loopback only).';
  const cases: [unknown, string][] = [
    ['{', 'EXTERNAL_ISSUERS must be a JSON list of at most 20 issuers.'],
    [{}, 'EXTERNAL_ISSUERS must be a JSON list of at most 20 issuers.'],
    [new Array(21).fill(jwks), 'EXTERNAL_ISSUERS must be a JSON list of at most 20 issuers.'],
    [['x'], `${at} must be an object.`],
    [
      [{ ...jwks, jwks_url: undefined }],
      `${at} needs jwks_url or introspection_url, and not both.`,
    ],
    [[{ ...introspection, ...jwks }], `${at} needs jwks_url or introspection_url, and not both.`],
    [[{ ...jwks, issuer: undefined, name: 'a' }], `${at}.issuer is missing.`],
    [
      [{ ...jwks, issuer: 'a b', name: 'a' }],
      `${at}.issuer must be the exact iss: up to 256 characters of ASCII, no space.`,
    ],
    [[{ ...jwks, issuer: 'https://own.example' }], `${at}.issuer is the ISSUER of this gateway.`],
    [
      [{ ...jwks, name: 'A:b' }],
      `${at}.name must be up to 63 of a-z 0-9 . - and begin with a letter or digit.`,
    ],
    [[{ ...jwks, name: 7 }], `${at}.name must be a text.`],
    [[{ ...jwks, audience: undefined }], `${at}.audience is missing.`],
    [[{ ...jwks, audience: [] }], `${at}.audience must be a text, or a list of 1 to 16 of them.`],
    [[{ ...jwks, audience: [7] }], `${at}.audience must be a text, or a list of 1 to 16 of them.`],
    [[{ ...jwks, jwks_url: 'http://login.example/jwks' }], `${at}.jwks_url ${url}`],
    [[{ ...jwks, jwks_url: 'https://a:b@login.example/' }], `${at}.jwks_url ${url}`],
    [[{ ...jwks, jwks_url: 'file:///etc/passwd' }], `${at}.jwks_url ${url}`],
    [[{ ...jwks, jwks_url: '/jwks' }], `${at}.jwks_url ${url}`],
    [[{ ...jwks, typ: 'any' }], `${at}.typ must be one of at+jwt, JWT.`],
    [[{ ...jwks, jku: 'x' }], `${at}.jku is not a setting of an issuer.`],
    [[{ ...jwks, client_id: 'x' }], `${at}.client_id goes with introspection_url only.`],
    [[{ ...introspection, algorithms: ['RS256'] }], `${at}.algorithms goes with jwks_url only.`],
    [
      [{ ...jwks, scope_prefix: 'a b' }],
      `${at}.scope_prefix must be up to 100 characters of a scope.`,
    ],
    [[{ ...introspection, client_id: '' }], `${at}.client_id is missing.`],
    [
      [{ ...introspection, client_secret: undefined }],
      `${at}.client_secret (or client_secret_file) is missing.`,
    ],
    [
      [{ ...introspection, client_secret: undefined, client_secret_file: '/none/at/all' }],
      `${at}.client_secret_file cannot be read (ENOENT).`,
    ],
    [[{ ...introspection, client_auth: 'none' }], `${at}.client_auth must be one of basic, post.`],
    [
      [{ ...introspection, token_prefix: '' }],
      `${at}.token_prefix must be 1 to 64 characters of a bearer token.`,
    ],
  ];
  for (const [list, problem] of cases) t.strictSame(read(list).problems, [problem], problem);
});

t.test('no symmetric algorithm, and none that is none', async (t) => {
  const list = 'RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519';
  for (const alg of ['HS256', 'none', 'RS1', 'dir'])
    t.strictSame(read([{ ...jwks, algorithms: [alg] }]).problems, [
      `EXTERNAL_ISSUERS[0].algorithms must be a list of ${list}.`,
    ]);
  t.match(read([{ ...jwks, algorithms: 'PS256' }]).issuers, [{ algorithms: ['PS256'] }]);
});

t.test('all problems of all issuers together', async (t) => {
  const { problems } = read([
    { ...jwks, typ: 1, jwks_url: 'http://10.0.0.1/' },
    { ...jwks, name: 'other' },
    { ...jwks, issuer: 'https://login.partner.example/realms/b' },
    introspection,
    { ...introspection, name: 'legacy-2', issuer: 'https://auth2.example' },
  ]);
  t.equal(problems.length, 5);
  t.match(problems.join('\n'), 'EXTERNAL_ISSUERS[1].issuer is in the list twice.');
  t.match(problems.join('\n'), 'EXTERNAL_ISSUERS[2].name is taken: set another one.');
  t.match(
    problems.join('\n'),
    'EXTERNAL_ISSUERS[4].token_prefix must differ: an opaque token is shown to one issuer only.',
  );
});

t.test('loopback may be http', async (t) => {
  for (const host of ['localhost:1', '127.0.0.1:1', '[::1]:1'])
    t.strictSame(read([{ ...jwks, jwks_url: `http://${host}/jwks` }]).problems, []);
});

t.test('secrets from files, and none in the printed settings', async (t) => {
  const dir = t.testdir();
  writeFileSync(join(dir, 'secret'), 'MARKER-file\n');
  const { client_secret: _, ...rest } = introspection;
  const list = [jwks, { ...rest, client_secret_file: join(dir, 'secret') }];
  writeFileSync(join(dir, 'issuers'), JSON.stringify(list));
  const config = loadConfig({
    ADMIN_TOKEN: 'a-token-of-the-admin-port',
    REDIS_URL: 'redis://localhost',
    NODE_SECRET: 'a-secret-between-nodes',
    KEY_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64url'),
    EXTERNAL_ISSUERS_FILE: join(dir, 'issuers'),
  });
  t.match(config.externalIssuers, [{ kind: 'jwks' }, { clientSecret: 'MARKER-file' }]);
  const printed = JSON.stringify(maskConfig(config));
  t.notMatch(printed, 'MARKER');
  t.match(printed, '"clientSecret":"(secret)"');
  t.match(printed, jwks.jwks_url);
  t.throws(
    () => loadConfig({ EXTERNAL_ISSUERS: '[7]', PORT: 'x' }),
    /PORT must be[\s\S]*EXTERNAL_ISSUERS\[0\] must be an object\./,
  );
});
