/** Tokens of other issuers, with real processes: one door takes them, the others do not. */
import { execFileSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { startFakeIssuer } from '../issuers/fake-issuer.js';
import { type Answer, decided, marker, startFleet, textOf, until } from './fleet.js';

t.setTimeout(300_000);

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

const setup = async (t: Test) => {
  const partner = await startFakeIssuer(t, 'partner');
  const legacy = await startFakeIssuer(t, 'legacy');
  legacy.state.introspect = (token) => ({
    active: token.startsWith('good'),
    sub: 'Jörg\u2028',
    client_id: 'app',
    scope: 'read',
  });
  const { issuer, jwksSettings, introspectionSettings } = partner;
  const list = [
    { name: 'partner', issuer, audience: 'https://api.example', jwks_url: jwksSettings.jwksUrl },
    {
      name: 'legacy',
      issuer: legacy.issuer,
      introspection_url: legacy.introspectionSettings.introspectionUrl,
      client_id: introspectionSettings.clientId,
      client_secret: `${marker}of-the-client`,
      scope_prefix: '',
    },
  ];
  const env = { EXTERNAL_ISSUERS: JSON.stringify(list) };
  const fleet = await startFleet(t, { nodes: 1, edges: 1, env });
  const seconds = Math.floor(Date.now() / 1000);
  const jwt = (claims: object = {}) =>
    partner.token({ claims: { iat: seconds, exp: seconds + 600, ...claims } });
  return { fleet, partner, legacy, jwt };
};

const identityOf = ({ headers }: Answer) =>
  ['user', 'session', 'scope', 'client'].map((name) => headers.get(`x-auth-${name}`));

// One fleet for all: its start is what takes long.
t.test('tokens of other issuers', async (t) => {
  const { fleet, partner, legacy, jwt } = await setup(t);

  await t.test('who calls with a token of another issuer', async (t) => {
    const token = jwt();
    await until('the keys are there', async () => (await fleet.verify(token)).status === 200);
    const checked = await fleet.verify(jwt({ sub: 'u_1', scope: 'account', jti: 'other' }));
    t.strictSame(identityOf(checked), [
      'ext:partner:u_1',
      '',
      'ext:partner:account',
      'ext:partner:app',
    ]);
    const opaque = await fleet.verify('good-1');
    t.equal(opaque.status, 200);
    t.strictSame(identityOf(opaque), [
      'ext:legacy:J%C3%B6rg%E2%80%A8',
      '',
      'read',
      'ext:legacy:app',
    ]);
    for (let i = 0; i < 10; i++) t.equal((await fleet.verify('good-1')).status, 200);
    t.equal(legacy.calls.introspect, 1);
    t.equal(partner.calls.jwks, 1);

    for (const bad of ['bad', jwt({ iss: 'https://nobody.example' }), jwt({ exp: 1 })]) {
      const refused = await fleet.verify(bad);
      t.equal(refused.status, 401);
      t.match(refused.headers.get('www-authenticate'), 'invalid_token');
    }

    await fleet.register('alice');
    const own = await fleet.signIn('alice');
    for (let i = 0; i < 3; i++) {
      const mine = await fleet.verify(textOf(own, 'access_token'));
      t.equal(mine.headers.get('x-auth-user'), own.body.user_id);
    }
    t.equal((await fleet.verify(textOf(own, 'refresh_token'))).status, 401);
    t.notOk(legacy.seen.some(({ form }) => form.get('token') === own.body.refresh_token));

    const metrics = await fleet.metrics();
    for (const series of [
      'checks_total\\{issuer="legacy",outcome="hit",edge="1"} 10',
      'calls_total\\{issuer="partner",outcome="ok",edge="1"} 1',
      'breaker_state\\{issuer="legacy",state="closed",edge="1"} 1',
      'cache_entries\\{outcome="valid",edge="1"} 3',
    ])
      t.match(metrics, new RegExp(`^floodgate_external_${series}$`, 'm'));
  });

  await t.test(
    'no other call takes a token of another issuer, or shows it to anybody',
    async (t) => {
      const token = jwt();
      await until('the keys are there', async () => (await fleet.verify(token)).status === 200);
      t.equal((await fleet.verify('good-1')).status, 200);
      const before = { ...legacy.calls, jwks: partner.calls.jwks };
      for (const foreign of [token, jwt({ jti: 'new' }), 'good-1', 'good-2']) {
        const calls: [string, string, object?][] = [
          ['POST', '/v1/logout', {}],
          ['POST', '/v1/password', { current_password: 'a password', new_password: 'another one' }],
          ['GET', '/v1/sessions'],
          ['DELETE', '/v1/sessions'],
          ['DELETE', '/v1/sessions/x'],
        ];
        for (const [method, path, body] of calls) {
          const answer = await fleet.call(method, path, body, foreign);
          // 404: a call that does not exist takes no token either.
          t.ok([401, 404].includes(answer.status), `${method} ${path}: ${answer.status}`);
          if (answer.status === 401) t.equal(answer.body.error, 'token_invalid');
        }
        const refreshed = await fleet.post('/v1/refresh', { refresh_token: foreign });
        t.equal(refreshed.status, 401);
        const credentials = { username: 'ext:partner:alice', password: foreign };
        const login = await decided(() => fleet.post('/v1/login', credentials));
        t.equal(login.status, 401);
      }
      t.strictSame({ ...legacy.calls, jwks: partner.calls.jwks }, before);
    },
  );

  await t.test('the printed settings have no secret', async (t) => {
    const main = join(root, 'dist/gateway/main.js');
    const text = execFileSync(process.execPath, [main, '--check-config'], {
      env: fleet.env,
      encoding: 'utf8',
    });
    t.notMatch(text, marker);
    t.match(JSON.parse(text).externalIssuers, [
      { name: 'partner', kind: 'jwks' },
      { name: 'legacy', clientSecret: '(secret)', scopePrefix: '' },
    ]);
  });

  await t.test('an issuer that is down makes no token invalid', async (t) => {
    await until('the keys are there', async () => (await fleet.verify(jwt())).status === 200);
    t.equal((await fleet.verify('good-1')).status, 200);
    legacy.state.mode = 'drop';
    partner.state.mode = 'drop';
    for (let i = 0; i < 10; i++) {
      const answer = await fleet.verify(`good-new-${i}`);
      t.equal(answer.status, 503);
      t.equal(answer.body.error, 'issuer_unavailable');
      t.match(answer.headers.get('retry-after'), /^[1-9]/);
      t.equal(answer.headers.get('www-authenticate'), null);
    }
    t.equal((await fleet.verify('good-1')).status, 200, 'what is known stays');
    t.equal((await fleet.verify(jwt({ jti: 'new' }))).status, 200, 'the last good keys stay');
    legacy.state.mode = 'good';
    await until('back by itself', async () => (await fleet.verify('good-2')).status === 200);
  });
});
