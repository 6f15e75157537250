/** The answers of the OAuth endpoints, case by case (RFC 6749, 7009, 7662, 7523). */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { decided, marker, password, startFleet, textOf, until } from './fleet.js';
import { assert, assertionForm, basic, createRig, fieldsOf, type Raw } from './oauth-rig.js';

t.setTimeout(300_000);

const env = { TRUSTED_PROXIES: '127.0.0.1' };
const token = '/oauth/token';
const introspect = '/oauth/introspect';
const revoke = '/oauth/revoke';
const credentials = { grant_type: 'client_credentials' };
const inactive = '{"active":false}';

type Case = [
  name: string,
  path: string,
  form: string | Buffer | Record<string, string>,
  headers: Record<string, string>,
  status: number,
  error: string,
];

const checkError = (t: Test, name: string, raw: Raw, status: number, error: string) => {
  const body = fieldsOf(raw);
  t.strictSame([raw.status, body.error], [status, error], name);
  t.match(String(body.error_description), /^[\x20\x21\x23-\x5B\x5D-\x7E]+$/, `${name}: text`);
  t.equal(raw.headers.get('cache-control'), 'no-store', `${name}: not stored`);
  t.equal(raw.headers.get('content-type'), 'application/json; charset=utf-8', `${name}: type`);
};

t.test('the table', async (t) => {
  const fleet = await startFleet(t, { nodes: 1, env });
  const rig = await createRig(t, fleet);
  const { post, addClient, addKeyClient, familyOf } = rig;
  const client = await addClient({ scopes: 'read write' });
  const other = await addClient({ scopes: 'read' });
  const poster = await addClient({ auth: 'client_secret_post', scopes: 'read' });
  const keyed = await addKeyClient({ scopes: 'read' });
  const bare = await addClient({ grants: '' });
  const disabled = await addClient();
  await fleet.admin('PATCH', `/clients/${disabled.id}`, { status: 'disabled' });
  const family = await familyOf(client, 'alice');
  await fleet.register('bob');
  const bob = await fleet.signIn('bob');
  const own = fieldsOf(await post(token, credentials, basic(client)));
  const foreign = fieldsOf(await post(token, credentials, basic(other)));
  const asClient = basic(client);
  const asPoster = { client_id: poster.id, client_secret: poster.secret };
  const wrong = `${marker}wrong`;
  const refresh = { grant_type: 'refresh_token' };
  const header = (text: string) => ({
    authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });
  const issuer = `http://localhost:${fleet.port}`;

  t.test('errors', async (t) => {
    const cases: Case[] = [
      // What is asked for.
      ['no grant type', token, {}, asClient, 400, 'invalid_request'],
      ['empty grant type', token, 'grant_type=', asClient, 400, 'invalid_request'],
      [
        'password',
        token,
        { grant_type: 'password', username: 'a', password: 'b' },
        asClient,
        400,
        'unsupported_grant_type',
      ],
      [
        'password without client',
        token,
        { grant_type: 'password', username: 'a', password: 'b' },
        {},
        400,
        'unsupported_grant_type',
      ],
      [
        'authorization_code',
        token,
        { grant_type: 'authorization_code', code: 'x' },
        asClient,
        400,
        'unsupported_grant_type',
      ],
      [
        'a grant like a property',
        token,
        { grant_type: 'constructor' },
        asClient,
        400,
        'unsupported_grant_type',
      ],
      ['a grant it may not use', token, credentials, basic(bare), 400, 'unauthorized_client'],
      [
        'the public client for itself',
        token,
        { ...credentials, client_id: 'floodgate' },
        {},
        400,
        'unauthorized_client',
      ],
      [
        'scope too wide',
        token,
        { ...credentials, scope: 'read admin' },
        asClient,
        400,
        'invalid_scope',
      ],
      [
        'scope with two spaces',
        token,
        { ...credentials, scope: 'read  write' },
        asClient,
        400,
        'invalid_scope',
      ],
      [
        'scope with a quote',
        token,
        { ...credentials, scope: 'read"' },
        asClient,
        400,
        'invalid_scope',
      ],
      // The form.
      [
        'a parameter twice',
        token,
        'grant_type=client_credentials&scope=read&scope=write',
        asClient,
        400,
        'invalid_request',
      ],
      [
        'an unknown parameter twice',
        token,
        'grant_type=client_credentials&x=1&x=1',
        asClient,
        400,
        'invalid_request',
      ],
      [
        'grant type twice',
        token,
        'grant_type=client_credentials&grant_type=client_credentials',
        asClient,
        400,
        'invalid_request',
      ],
      ['bad percent', token, 'grant_type=%zz', asClient, 400, 'invalid_request'],
      ['not UTF-8', token, Buffer.from([0x61, 0x3d, 0xff]), asClient, 400, 'invalid_request'],
      [
        'JSON',
        token,
        '{"grant_type":"client_credentials"}',
        { ...asClient, 'content-type': 'application/json' },
        400,
        'invalid_request',
      ],
      [
        'no type',
        token,
        'grant_type=client_credentials',
        { ...asClient, 'content-type': 'text/plain' },
        400,
        'invalid_request',
      ],
      [
        'parameters in the query',
        `${token}?grant_type=client_credentials`,
        '',
        asClient,
        400,
        'invalid_request',
      ],
      // Who asks.
      ['no client', token, credentials, {}, 401, 'invalid_client'],
      ['only an id', token, { ...credentials, client_id: client.id }, {}, 401, 'invalid_client'],
      [
        'wrong secret, post',
        token,
        { ...credentials, ...asPoster, client_secret: wrong },
        {},
        401,
        'invalid_client',
      ],
      [
        'post for a client of Basic',
        token,
        { ...credentials, client_id: client.id, client_secret: client.secret },
        {},
        401,
        'invalid_client',
      ],
      [
        'secret without id',
        token,
        { ...credentials, client_secret: wrong },
        {},
        400,
        'invalid_request',
      ],
      ['two methods', token, { ...credentials, ...asPoster }, asClient, 400, 'invalid_request'],
      [
        'Basic and an assertion',
        token,
        { ...credentials, ...assertionForm(assert(keyed, issuer)) },
        asClient,
        400,
        'invalid_request',
      ],
      [
        'secret and an assertion',
        token,
        { ...credentials, ...asPoster, ...assertionForm('a.b.c') },
        {},
        400,
        'invalid_request',
      ],
      [
        'two clients',
        token,
        { ...credentials, client_id: other.id },
        asClient,
        400,
        'invalid_request',
      ],
      ['Basic that is no pair', token, credentials, header('nonsense'), 400, 'invalid_request'],
      ['Basic with bad percent', token, credentials, header('%zz:x'), 400, 'invalid_request'],
      [
        'Basic that is not base64',
        token,
        credentials,
        { authorization: 'Basic ***' },
        400,
        'invalid_request',
      ],
      [
        'a secret for the public client',
        token,
        { ...refresh, refresh_token: 'x', client_id: 'floodgate', client_secret: wrong },
        {},
        401,
        'invalid_client',
      ],
      [
        'assertion without its type',
        token,
        { ...credentials, client_assertion: assert(keyed, issuer) },
        {},
        400,
        'invalid_request',
      ],
      [
        'type without assertion',
        token,
        { ...credentials, client_assertion_type: 'x' },
        {},
        400,
        'invalid_request',
      ],
      [
        'assertion of another type',
        token,
        { ...credentials, client_assertion: 'x', client_assertion_type: 'saml2' },
        {},
        401,
        'invalid_client',
      ],
      // Refresh.
      ['no refresh token', token, refresh, asClient, 400, 'invalid_request'],
      [
        'a refresh token of nobody',
        token,
        { ...refresh, refresh_token: 'nonsense' },
        asClient,
        400,
        'invalid_grant',
      ],
      [
        'an access token',
        token,
        { ...refresh, refresh_token: String(own.access_token) },
        asClient,
        400,
        'invalid_grant',
      ],
      [
        'a refresh token with a broken MAC',
        token,
        { ...refresh, refresh_token: `${family.refreshToken.slice(0, -1)}_` },
        asClient,
        400,
        'invalid_grant',
      ],
      [
        'the family of another client',
        token,
        { ...refresh, refresh_token: family.refreshToken },
        basic(other),
        400,
        'invalid_grant',
      ],
      [
        'the family of a client, by the public one',
        token,
        { ...refresh, refresh_token: family.refreshToken, client_id: 'floodgate' },
        {},
        400,
        'invalid_grant',
      ],
      [
        'the family of a client, without client',
        token,
        { ...refresh, refresh_token: family.refreshToken },
        {},
        401,
        'invalid_client',
      ],
      [
        'a family of login, by a client',
        token,
        { ...refresh, refresh_token: textOf(bob, 'refresh_token') },
        asClient,
        400,
        'invalid_grant',
      ],
      [
        'a wider scope than the family',
        token,
        { ...refresh, refresh_token: family.refreshToken, scope: 'account read' },
        asClient,
        400,
        'invalid_scope',
      ],
      // Introspection.
      ['introspect: nobody asks', introspect, { token: 'x' }, {}, 401, 'invalid_client'],
      [
        'introspect: the public client',
        introspect,
        { token: 'x', client_id: 'floodgate' },
        {},
        401,
        'invalid_client',
      ],
      [
        'introspect: a bearer token',
        introspect,
        { token: 'x' },
        { authorization: `Bearer ${own.access_token}` },
        401,
        'invalid_client',
      ],
      ['introspect: no token', introspect, {}, asClient, 400, 'invalid_request'],
      ['introspect: an empty token', introspect, 'token=', asClient, 400, 'invalid_request'],
      ['introspect: two tokens', introspect, 'token=a&token=b', asClient, 400, 'invalid_request'],
      // Revocation.
      ['revoke: nobody asks', revoke, { token: 'x' }, {}, 401, 'invalid_client'],
      ['revoke: no token', revoke, {}, asClient, 400, 'invalid_request'],
      [
        'revoke: access token of another',
        revoke,
        { token: String(foreign.access_token) },
        asClient,
        400,
        'invalid_grant',
      ],
      [
        'revoke: refresh token of another',
        revoke,
        { token: family.refreshToken },
        basic(other),
        400,
        'invalid_grant',
      ],
      [
        'revoke: session of login, by a client',
        revoke,
        { token: textOf(bob, 'access_token') },
        asClient,
        400,
        'invalid_grant',
      ],
    ];
    for (const [name, path, form, headers, status, error] of cases) {
      const raw = await post(path, form, headers);
      checkError(t, name, raw, status, error);
      const isBasic = status === 401 && headers.authorization !== undefined;
      const wanted = isBasic ? 'Basic realm="floodgate", charset="UTF-8"' : null;
      t.equal(raw.headers.get('www-authenticate'), wanted, `${name}: challenge`);
    }
    const twice = await new Promise<string>((done) => {
      const lines = Array(2).fill(`Authorization: ${asClient.authorization}`).join('\r\n');
      const socket = connect(fleet.port, '127.0.0.1', () =>
        socket.write(`POST ${token} HTTP/1.1\r\nHost: x\r\n${lines}\r\nContent-Length: 0\r\n\r\n`),
      );
      socket.once('data', (data) => {
        socket.destroy();
        done(data.toString());
      });
    });
    t.match(twice, /^HTTP\/1.1 400 .*"error":"invalid_request"/s, 'two Authorization headers');
    const challenged: [string, Record<string, string>][] = [
      ['wrong secret', basic({ ...client, secret: wrong })],
      ['empty secret', header(`${client.id}:`)],
      ['unknown client', basic({ id: `c_${'x'.repeat(22)}`, secret: wrong })],
      ['no client id at all', header(':')],
      ['a user', basic({ id: 'alice', secret: wrong })],
      ['the client before it was disabled', basic(disabled)],
      ['a client of post', basic(poster)],
      ['another scheme', { authorization: 'Digest x' }],
    ];
    for (const [name, headers] of challenged) {
      const raw = await post(token, credentials, headers);
      checkError(t, name, raw, 401, 'invalid_client');
      const challenge = raw.headers.get('www-authenticate');
      t.equal(challenge, 'Basic realm="floodgate", charset="UTF-8"', name);
    }
    for (const path of [token, introspect, revoke])
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await fleet.call(method, path);
        t.equal(answer.status, 405, `${method} ${path}`);
        t.equal(answer.headers.get('allow'), 'POST');
      }
    const large = await post(
      token,
      `grant_type=client_credentials&x=${'x'.repeat(16_400)}`,
      asClient,
    );
    t.equal(large.status, 413);
    t.equal((await fleet.verify(String(foreign.access_token))).status, 200, 'still alive');
    t.equal((await fleet.verify(textOf(bob, 'access_token'))).status, 200, 'still alive');
  });

  t.test('assertions', async (t) => {
    const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
    const stranger = await addKeyClient();
    const once = assert(keyed, issuer);
    const changed = (claims: object) => assert(keyed, issuer, { claims });
    const cases: [string, string, number][] = [
      ['for the issuer', once, 200],
      ['used before', once, 401],
      ['for the token endpoint', assert(keyed, `${issuer}/oauth/token`), 200],
      ['for both', assert(keyed, [issuer, `${issuer}/oauth/token`]), 200],
      [
        'named by the other name of its algorithm',
        assert(keyed, issuer, { header: { alg: 'Ed25519' } }),
        200,
      ],
      [
        'without key id, there being one key',
        assert(keyed, issuer, { header: { kid: undefined } }),
        200,
      ],
      ['for others', assert(keyed, 'https://other.example'), 401],
      ['for us and others', assert(keyed, [issuer, 'https://other.example']), 401],
      ['for nobody', assert(keyed, []), 401],
      ['without audience', changed({ aud: undefined }), 401],
      ['ended', changed({ exp: inSeconds(-120) }), 401],
      ['for an hour', changed({ exp: inSeconds(3600) }), 401],
      ['for ever', changed({ exp: 1e308 }), 401],
      ['without end', changed({ exp: undefined }), 401],
      ['end as text', changed({ exp: String(inSeconds(60)) }), 401],
      ['not yet', changed({ nbf: inSeconds(120) }), 401],
      ['of the future', changed({ iat: inSeconds(120) }), 401],
      ['without jti', changed({ jti: undefined }), 401],
      ['jti a number', changed({ jti: 7 }), 401],
      ['sub a number', changed({ sub: 1 }), 401],
      ['sub a list', changed({ sub: [keyed.id] }), 401],
      ['about somebody else', changed({ sub: stranger.id }), 401],
      ['by somebody else', changed({ iss: stranger.id }), 401],
      ['signed by a stranger', assert({ ...stranger, id: keyed.id }, issuer), 401],
      ['another key', assert(keyed, issuer, { header: { kid: 'k2' } }), 401],
      ['none', `${assert(keyed, issuer, { header: { alg: 'none' } }).replace(/[^.]*$/, '')}`, 401],
      ['HMAC', assert(keyed, issuer, { header: { alg: 'HS256' } }), 401],
      ['an access token', String(own.access_token), 401],
      ['typed as an access token', assert(keyed, issuer, { header: { typ: 'at+jwt' } }), 401],
      ['a byte too many', `${assert(keyed, issuer)}=`, 401],
      ['garbage', 'garbage', 401],
    ];
    for (const [name, assertion, status] of cases) {
      // The limits of this client would end the test before its last case.
      await rig.redis.unlink(...(await rig.redis.keys('lim:*')), 'none');
      const raw = await post(token, { ...credentials, ...assertionForm(assertion) });
      t.equal(raw.status, status, `${name}: ${raw.text.slice(0, 60)}`);
    }
    const named = { ...assertionForm(assert(keyed, issuer)), client_id: stranger.id };
    t.equal((await post(token, { ...credentials, ...named })).status, 401, 'another client_id');
    const racing = assertionForm(assert(keyed, issuer));
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => post(token, { ...credentials, ...racing })),
    );
    t.equal(answers.filter(({ status }) => status === 200).length, 1, 'one use, over all edges');
  });

  t.test('tokens', async (t) => {
    const raw = await post(token, { ...credentials, scope: 'write', unknown: 'x' }, asClient);
    t.equal(raw.status, 200);
    t.equal(raw.headers.get('cache-control'), 'no-store');
    t.equal(raw.headers.get('pragma'), 'no-cache');
    t.equal(raw.headers.get('content-type'), 'application/json; charset=utf-8');
    const body = fieldsOf(raw);
    t.strictSame(Object.keys(body), ['access_token', 'token_type', 'expires_in', 'scope']);
    t.match(body, { token_type: 'Bearer', expires_in: 600, scope: 'write' });
    const checked = await fleet.verify(String(body.access_token));
    t.equal(checked.status, 200);
    t.equal(checked.headers.get('x-auth-user'), client.id);
    t.equal(checked.headers.get('x-auth-client'), client.id);
    for (const [method, path] of [['POST', '/v1/logout']] as const) {
      const answer = await fleet.call(method, path, undefined, String(body.access_token));
      t.equal(answer.body.error, 'insufficient_scope', 'a client has no session to end');
    }
    t.equal((await post(token, { ...credentials, ...asPoster })).status, 200, 'by post');
    const unscoped = fieldsOf(await post(token, credentials, basic(await addClient())));
    t.strictSame(Object.keys(unscoped), ['access_token', 'token_type', 'expires_in']);

    const narrow = await post(
      token,
      { ...refresh, refresh_token: family.refreshToken, scope: 'account' },
      asClient,
    );
    t.equal(narrow.status, 200, 'refused tries have not used it up');
    const next = fieldsOf(narrow);
    t.match(next, { token_type: 'Bearer', expires_in: 600, scope: 'account' });
    t.equal(narrow.headers.get('pragma'), 'no-cache');
    const again = await post(token, { ...refresh, refresh_token: family.refreshToken }, asClient);
    t.equal(fieldsOf(again).refresh_token, next.refresh_token, 'the same successor');
    const checkedUser = await fleet.verify(String(next.access_token));
    t.equal(checkedUser.headers.get('x-auth-client'), client.id);
    const last = fieldsOf(
      await post(token, { ...refresh, refresh_token: String(next.refresh_token) }, asClient),
    );
    const reused = await post(token, { ...refresh, refresh_token: family.refreshToken }, asClient);
    checkError(t, 'two back', reused, 400, 'invalid_grant');
    const dead = await post(
      token,
      { ...refresh, refresh_token: String(last.refresh_token) },
      asClient,
    );
    checkError(t, 'the family is dead', dead, 400, 'invalid_grant');
    await until('its access token is refused', async () => {
      const answer = await fleet.verify(String(last.access_token));
      return answer.status === 401;
    });

    const asPublic = { ...refresh, client_id: 'floodgate' };
    const refreshed = await post(token, {
      ...asPublic,
      refresh_token: textOf(bob, 'refresh_token'),
    });
    t.match(fieldsOf(refreshed), { scope: 'account', refresh_token: String });
  });

  t.test('introspection', async (t) => {
    const observer = await addClient({ introspect: 'any', grants: '' });
    const blind = await addClient({ introspect: 'none', scopes: 'read' });
    const server = await addClient({ grants: '' });
    const forServer = await addClient({ audience: server.id, scopes: 'read' });
    const take = async (who: Parameters<typeof basic>[0]) =>
      String(fieldsOf(await post(token, credentials, basic(who))).access_token);
    const ask = (asked: string, who: Parameters<typeof basic>[0], more = {}) =>
      post(introspect, { token: asked, ...more }, basic(who));
    const mine = await take(client);

    const raw = await ask(mine, client);
    t.equal(raw.headers.get('cache-control'), 'no-store');
    const seen = fieldsOf(raw);
    t.match(seen, { active: true, client_id: client.id, sub: client.id, scope: 'read write' });
    t.match(seen, { token_type: 'Bearer', iss: issuer, aud: issuer, jti: String });
    t.equal(Number(seen.exp) - Number(seen.iat), 600);
    for (const hint of ['access_token', 'refresh_token', 'nonsense'])
      t.strictSame(fieldsOf(await ask(mine, client, { token_type_hint: hint })), seen, hint);
    t.equal(fieldsOf(await ask(mine, observer)).active, true, 'any');
    const addressed = await take(forServer);
    t.equal(fieldsOf(await ask(addressed, server)).active, true, 'its audience');
    t.equal(fieldsOf(await ask(addressed, forServer)).active, true, 'its client');
    t.equal((await fleet.verify(addressed)).status, 401, 'for others: not for this gateway');

    await fleet.register('carol');
    const carol = await fleet.signIn('carol');
    const [access, refreshToken] = [textOf(carol, 'access_token'), textOf(carol, 'refresh_token')];
    t.match(fieldsOf(await ask(access, observer)), {
      ...{ active: true, sub: carol.body.user_id, client_id: 'floodgate' },
      sid: carol.body.session_id,
    });
    for (let i = 0; i < 2; i++)
      t.match(fieldsOf(await ask(refreshToken, observer)), {
        ...{ active: true, sub: carol.body.user_id, scope: 'account', exp: Number },
        sid: carol.body.session_id,
      });
    const renewed = await fleet.post('/v1/refresh', { refresh_token: refreshToken });
    t.equal(renewed.status, 200, 'not used up by looking');

    const [head = '', payload = '', signature = ''] = mine.split('.');
    const flipped = `${head}.${payload}.${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`;
    const strangers: [string, string, Parameters<typeof basic>[0]][] = [
      ['garbage', 'garbage', observer],
      ['three dots', 'a.b.c', observer],
      ['another signature', flipped, observer],
      ['another spelling', `${mine}=`, observer],
      ['consumed', refreshToken, observer],
      ['of another client', mine, other],
      ['for another resource server', addressed, other],
      ['of a user', access, client],
      ['the successor, of a user', textOf(renewed, 'refresh_token'), client],
      ['no right at all, its own', await take(blind), blind],
    ];
    for (const [name, asked, who] of strangers) {
      const answer = await ask(asked, who);
      t.equal(answer.status, 200, name);
      t.equal(answer.text, inactive, name);
    }

    const guesser = await addClient({ introspect: 'any', grants: '' });
    const name = createHash('sha256').update(`guess ${guesser.id}`).digest('base64url');
    const guesses = () => rig.redis.zcard(`lim:{${name.slice(0, 22)}}`);
    const under = (kid: string) => {
      const header = { ...JSON.parse(Buffer.from(head, 'base64url').toString()), kid };
      return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
    };
    t.equal((await ask(under('k'.repeat(43)), guesser)).text, inactive);
    t.equal(await guesses(), 0, 'one under a key that was revoked has been good');
    for (const never of [flipped, under('k1'), under('k'.repeat(44)), 'garbage'])
      t.equal((await ask(never, guesser)).text, inactive);
    t.equal(await guesses(), 4, 'what never was a token is a guess');

    await fleet.call('POST', '/v1/logout', undefined, access);
    t.equal((await ask(access, observer)).text, inactive, 'at once after logout, on every edge');
    t.equal((await ask(textOf(renewed, 'refresh_token'), observer)).text, inactive);
  });

  t.test('revocation', async (t) => {
    const observer = await addClient({ introspect: 'any', grants: '' });
    const isActive = async (asked: string) => {
      const ask = () => post(introspect, { token: asked }, basic(observer));
      return fieldsOf(await decided(ask)).active;
    };
    const take = async () =>
      String(fieldsOf(await decided(() => post(token, credentials, asClient))).access_token);
    for (const hint of [
      {},
      { token_type_hint: 'access_token' },
      { token_type_hint: 'refresh_token' },
      { token_type_hint: 'id_token' },
    ]) {
      const mine = await take();
      const raw = await decided(() => post(revoke, { token: mine, ...hint }, asClient));
      t.strictSame([raw.status, raw.text], [200, '']);
      t.equal(raw.headers.get('cache-control'), 'no-store');
      t.equal(await isActive(mine), false, 'at once');
      await until('no edge takes it', async () => (await fleet.verify(mine)).status === 401);
      t.equal((await post(revoke, { token: mine, ...hint }, asClient)).status, 200, 'again');
    }
    for (const unknown of ['garbage', 'a.b.c', `${family.refreshToken}x`, family.refreshToken])
      t.equal((await post(revoke, { token: unknown }, asClient)).status, 200, unknown);

    const mine = await familyOf(client, 'dave');
    t.equal(await isActive(mine.refreshToken), true);
    t.equal((await post(revoke, { token: mine.refreshToken }, asClient)).status, 200);
    t.equal(await isActive(mine.refreshToken), false);
    const used = await post(token, { ...refresh, refresh_token: mine.refreshToken }, asClient);
    checkError(t, 'revoked', used, 400, 'invalid_grant');

    await fleet.register('erin');
    const erin = await fleet.signIn('erin');
    const form = { token: textOf(erin, 'refresh_token'), client_id: 'floodgate' };
    t.equal((await post(revoke, form)).status, 200, 'the public client, its own');
    await until('the session is over', async () => {
      const answer = await fleet.verify(textOf(erin, 'access_token'));
      return answer.body.error === 'session_ended';
    });
  });

  t.test('the access token of a user ends with its session, and adds one entry', async (t) => {
    await fleet.register('frank');
    const frank = await fleet.signIn('frank');
    const refresh_token = textOf(frank, 'refresh_token');
    const tokens = [textOf(frank, 'access_token')];
    for (let i = 0; i < 8; i++) {
      const again = await fleet.post('/v1/refresh', { refresh_token });
      tokens.push(textOf(again, 'access_token'));
    }
    const entries = () => rig.redis.xlen('revocations');
    const before = [await entries(), (await rig.redis.keys('revocations:*')).length] as const;
    for (const mine of tokens)
      t.equal((await post(revoke, { token: mine, client_id: 'floodgate' })).status, 200);
    const added = (await entries()) - before[0];
    t.ok(added >= 1 && added <= 2, `${added} entries: an edge may not have heard of the other's`);
    t.equal((await rig.redis.keys('revocations:*')).length, before[1], 'and no key');
    for (const mine of tokens)
      await until('no edge takes it', async () => (await fleet.verify(mine)).status === 401);
    const answer = await fleet.post('/v1/refresh', { refresh_token });
    t.same([answer.status, answer.body.error], [401, 'session_ended']);

    const old = await fleet.signIn('frank');
    const change = { current_password: password, new_password: `${password}-new` };
    const changed = await decided(() =>
      fleet.post('/v1/password', change, textOf(old, 'access_token')),
    );
    for (const field of ['access_token', 'refresh_token']) {
      const stolen = { token: textOf(old, field), client_id: 'floodgate' };
      t.equal((await post(revoke, stolen)).status, 200, 'dead already');
    }
    const fresh = textOf(changed, 'access_token');
    t.equal((await fleet.verify(fresh)).status, 200, 'the session that goes on stays');
    const onward = { refresh_token: textOf(changed, 'refresh_token') };
    const going = await fleet.post('/v1/refresh', onward);
    t.equal(going.status, 200);

    // As between the node's write and the session's: whoever changed the password comes back for the rest.
    const [u = '', id = ''] = String(going.body.session_id).split('.');
    const gen = await rig.redis.hincrby(`user:{${u}}`, 'gen', 1);
    const half = { token: textOf(going, 'access_token'), client_id: 'floodgate' };
    t.equal((await post(revoke, half)).status, 200);
    t.equal(await rig.redis.exists(`sess:{${u}}:${id}`), 1, 'the session is there to go on');
    const last = (await rig.redis.xrevrange('revocations', '+', '-', 'COUNT', 1))[0]?.[1] ?? [];
    t.ok(last.includes(u) && last.includes(String(gen)), 'and the edges know of the change');
  });

  t.test('reuse with a scope: what the log could not take is told by the repeat', async (t) => {
    const mine = await familyOf(client, 'gina');
    const use = (refresh_token: string) =>
      post(token, { ...refresh, refresh_token, scope: 'account' }, asClient);
    const next = fieldsOf(await decided(() => use(mine.refreshToken)));
    const { status } = await decided(() => use(String(next.refresh_token)));
    t.equal(status, 200);
    const access = String(next.access_token);
    t.equal((await fleet.verify(access)).status, 200);
    await rig.redis.rename('revocations', 'away');
    await rig.redis.set('revocations', 'no stream');
    checkError(t, 'untold', await use(mine.refreshToken), 503, 'temporarily_unavailable');
    await rig.redis.rename('away', 'revocations');
    checkError(t, 'reuse', await decided(() => use(mine.refreshToken)), 400, 'invalid_grant');
    await until('every edge knows', async () => (await fleet.verify(access)).status === 401);
    t.equal((await fleet.verify(access)).body.error, 'session_ended');
  });

  t.test('guesses are limited, by client and by address; the right secret is not', async (t) => {
    const victim = await addClient();
    const guess = (from: string, who = victim) =>
      post(token, credentials, {
        ...basic({ ...who, secret: `${wrong}${Math.random()}` }),
        'x-forwarded-for': from,
      });
    const spread = [];
    for (let i = 0; i < 14; i++) spread.push((await guess(`192.0.${i}.1`)).status);
    t.strictSame(spread, [...Array(10).fill(401), ...Array(4).fill(429)], 'one client');
    const limited = await guess('192.0.99.1');
    t.ok(Number(limited.headers.get('retry-after')) > 0);
    t.equal((await post(token, credentials, basic(victim))).status, 200, 'its owner comes in');

    const many = [];
    for (let i = 0; i < 24; i++)
      many.push(
        (await guess('198.51.100.7', { id: `c_${'y'.repeat(20)}${i + 10}`, secret: '' })).status,
      );
    t.strictSame(many, [...Array(20).fill(401), ...Array(4).fill(429)], 'one address');
    const inside = { ...basic(victim), 'x-forwarded-for': '198.51.100.7' };
    t.equal((await post(token, credentials, inside)).status, 200, 'a neighbour comes in');
  });

  t.test('a changed client is another everywhere within seconds', async (t) => {
    const one = await addClient({ scopes: 'read' });
    const works = async (secret: string) =>
      (await post(token, credentials, basic({ ...one, secret }))).status === 200;
    const rotate = async () =>
      textOf(await fleet.admin('POST', `/clients/${one.id}/rotate`), 'client_secret');
    const second = await rotate();
    await until('the second secret works', () => works(second));
    t.ok(await works(one.secret), 'and so does the first');
    const third = await rotate();
    await until('the third works', () => works(third));
    t.ok(await works(second));
    await until('the first is over', async () => !(await works(one.secret)));
    await rig.redis.unlink(...(await rig.redis.keys('lim:*')), 'none');
    await fleet.admin('POST', `/clients/${one.id}/settle`);
    await until('the second is over', async () => !(await works(second)));
    t.ok(await works(third));
    const shown = (await fleet.admin('GET', '/clients')).body.clients;
    const listed = Array.isArray(shown) ? shown.find((each) => each.client_id === one.id) : {};
    t.match(listed, { name: String, scopes: 'read', secrets: [{ created_at: String }] });
    t.notMatch(JSON.stringify(shown), new RegExp(`${third}|hash`), 'no secret is shown again');

    await rig.redis.unlink(...(await rig.redis.keys('lim:*')), 'none');
    const held = fieldsOf(await post(token, credentials, basic({ ...one, secret: third })));
    t.equal((await fleet.verify(String(held.access_token))).status, 200);
    t.equal((await fleet.admin('DELETE', `/clients/${one.id}`)).status, 204);
    await until('its token is refused', async () => {
      const answer = await fleet.verify(String(held.access_token));
      return answer.status === 401;
    });
    await until('it is unknown', async () => !(await works(third)));
    const { status, body } = await fleet.admin('DELETE', `/clients/${one.id}`);
    t.same([status, body.error], [404, 'not_found']);
  });

  t.test('metadata', async (t) => {
    const answer = await fleet.call('GET', '/.well-known/oauth-authorization-server');
    t.equal(answer.status, 200);
    t.equal(answer.body.issuer, issuer);
    t.equal(answer.body.token_endpoint, `${issuer}/oauth/token`);
    for (const name of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint'])
      t.equal((await fetch(String(answer.body[name]), { method: 'POST' })).status, 400, name);
    t.equal((await fetch(String(answer.body.jwks_uri))).status, 200);
  });

  t.test('a lost store is 503, never a verdict', async (t) => {
    const mine = String(fieldsOf(await post(token, credentials, asClient)).access_token);
    await fleet.redis.stop('SIGKILL');
    const calls: [string, Record<string, string>][] = [
      [revoke, { token: mine }],
      [introspect, { token: mine }],
      [token, { ...refresh, refresh_token: family.refreshToken }],
    ];
    for (const [path, form] of calls) {
      const raw = await post(path, form, asClient);
      checkError(t, path, raw, 503, 'temporarily_unavailable');
      t.ok(Number(raw.headers.get('retry-after')) > 0);
    }
    const stranger = await post(
      token,
      credentials,
      basic({ id: `c_${'z'.repeat(22)}`, secret: wrong }),
    );
    checkError(t, 'a client nobody knows now', stranger, 503, 'temporarily_unavailable');
    await fleet.redis.start();
    await until('it works again', async () => {
      const raw = await post(introspect, { token: mine }, asClient);
      return raw.status === 200 && fieldsOf(raw).active === true;
    });
  });
});
