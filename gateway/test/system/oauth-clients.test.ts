/** Client libraries that nobody here wrote get what they expect, with nothing special said to them. */
import { execFile } from 'node:child_process';
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import t from 'tap';
import { startFleet, until } from './fleet.js';
import { basic, createRig, fieldsOf } from './oauth-rig.js';

t.setTimeout(300_000);

const webKey = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  crypto.subtle.importKey('jwk', key.export({ format: 'jwk' }), { name: 'Ed25519' }, false, [
    'sign',
  ]);

t.test('client libraries', async (t) => {
  const fleet = await startFleet(t, { nodes: 1 });
  const rig = await createRig(t, fleet);
  const issuer = new URL(`http://localhost:${fleet.port}`);
  const insecure = { [oauth.allowInsecureRequests]: true };
  const basicClient = await rig.addClient({ scopes: 'read write', introspect: 'any' });
  const postClient = await rig.addClient({ auth: 'client_secret_post', scopes: 'read' });
  const keyClient = await rig.addKeyClient({ scopes: 'read', introspect: 'any' });
  const key = await webKey(keyClient.privateKey);
  t.equal(createPublicKey(keyClient.privateKey).asymmetricKeyType, 'ed25519');

  t.test('oauth4webapi', async (t) => {
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    const as = await oauth.processDiscoveryResponse(issuer, found);
    t.equal(as.issuer, `http://localhost:${fleet.port}`);
    const ways: [string, string, oauth.ClientAuth][] = [
      ['basic', basicClient.id, oauth.ClientSecretBasic(basicClient.secret)],
      ['post', postClient.id, oauth.ClientSecretPost(postClient.secret)],
      ['private_key_jwt', keyClient.id, oauth.PrivateKeyJwt({ key, kid: 'k1' })],
    ];
    for (const [name, client_id, auth] of ways) {
      const client = { client_id };
      const taken = await oauth.processClientCredentialsResponse(
        as,
        client,
        await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'read' }, insecure),
      );
      t.match(taken, { token_type: 'bearer', expires_in: 600, scope: 'read' }, name);
      const look = async () =>
        oauth.processIntrospectionResponse(
          as,
          client,
          await oauth.introspectionRequest(as, client, auth, taken.access_token, insecure),
        );
      t.match(await look(), { active: true, client_id, sub: client_id, scope: 'read' });
      const revoked = await oauth.revocationRequest(as, client, auth, taken.access_token, insecure);
      await oauth.processRevocationResponse(revoked);
      t.strictSame(await look(), { active: false }, name);

      const family = await rig.familyOf({ id: client_id }, `oauth-${name}`);
      const refreshed = await oauth.processRefreshTokenResponse(
        as,
        client,
        await oauth.refreshTokenGrantRequest(as, client, auth, family.refreshToken, insecure),
      );
      t.match(refreshed, { scope: 'account', refresh_token: String }, name);
      t.equal((await fleet.verify(refreshed.access_token)).status, 200);
    }
    const wrong = oauth.ClientSecretBasic('wrong');
    const client = { client_id: basicClient.id };
    const refused = await oauth.clientCredentialsGrantRequest(as, client, wrong, {}, insecure);
    const thrown = oauth.processClientCredentialsResponse(as, client, refused);
    t.match(await thrown.catch((error) => error), { status: 401, cause: [{ scheme: 'basic' }] });
  });

  t.test('floodgate clients', async (t) => {
    const once = (...args: string[]) =>
      new Promise<string>((done) => {
        const env = { ...fleet.env, ADMIN_URL: `http://127.0.0.1:${fleet.adminPort}` };
        execFile(
          process.execPath,
          ['ops/floodgate.mjs', 'clients', ...args],
          { env },
          (_e, out, err) => done(out + err),
        );
      });
    /** A busy machine may say "not now" at any time. */
    const run = async (...args: string[]): Promise<string> => {
      for (let tries = 0; ; tries++) {
        const said = await once(...args);
        if (tries === 20 || !/admin port answered 50[34]/.test(said)) return said;
      }
    };
    const added = await run('add', 'a service', '--scopes', 'read write', '--introspect', 'any');
    const [, id = ''] = /client_id +(c_[\w-]{22})/.exec(added) ?? [];
    const [, secret = ''] = /client_secret +([\w-]{43})/.exec(added) ?? [];
    const take = () =>
      rig.post('/oauth/token', { grant_type: 'client_credentials' }, basic({ id, secret }));
    t.match(fieldsOf(await take()), { scope: 'read write' });
    t.match(
      await run('list'),
      new RegExp(`${id} +a service +active +client_secret_basic +read write`),
    );
    t.match(JSON.parse(await run('list', '--json')), { clients: Array });
    t.match(await run('set', id, '--scopes', 'read', '--disable'), /is changed/);
    t.match(await run('list'), new RegExp(`${id} +a service +disabled`));
    t.match(await run('rotate', id), /client_secret +[\w-]{43}/);
    t.match(await run('list'), /\(rotating\)/);
    t.match(await run('rotate', id, '--settle'), /one valid secret/);
    t.match(await run('remove', id), /is removed/);
    t.match(await run('remove', id), /No such client/);
    t.match(await run('add', 'x', '--introspect', 'all'), /introspect is not valid/);
    t.match(await run('add', 'x', '--auth', 'private_key_jwt'), /jwks is not valid/);
    t.match(await run('add', 'x', '--nonsense'), /Usage: floodgate clients/);
    t.match(await run('--help'), /Usage: floodgate clients/);
  });

  t.test('openid-client', async (t) => {
    const execute = [openid.allowInsecureRequests];
    const ways: [string, string, openid.ClientAuth][] = [
      ['basic', basicClient.id, openid.ClientSecretBasic(basicClient.secret)],
      ['post', postClient.id, openid.ClientSecretPost(postClient.secret)],
      ['private_key_jwt', keyClient.id, openid.PrivateKeyJwt({ key, kid: 'k1' })],
    ];
    for (const [name, id, auth] of ways) {
      const config = await openid.discovery(issuer, id, undefined, auth, {
        algorithm: 'oauth2',
        execute,
      });
      const taken = await openid.clientCredentialsGrant(config, { scope: 'read' });
      t.match(taken, { token_type: 'bearer', scope: 'read' }, name);
      const seen = await openid.tokenIntrospection(config, taken.access_token);
      t.match(seen, { active: true, client_id: id });
      await openid.tokenRevocation(config, taken.access_token);
      t.strictSame(await openid.tokenIntrospection(config, taken.access_token), { active: false });
      await until('no edge takes it', async () => {
        const answer = await fleet.verify(taken.access_token);
        return answer.status === 401;
      });
      const family = await rig.familyOf({ id }, `openid-${name}`);
      const first = await openid.refreshTokenGrant(config, family.refreshToken);
      const second = await openid.refreshTokenGrant(config, String(first.refresh_token));
      t.not(second.refresh_token, first.refresh_token);
      await openid.tokenRevocation(config, String(second.refresh_token));
      const refused = openid.refreshTokenGrant(config, String(second.refresh_token));
      t.match(await refused.catch((error) => error), { error: 'invalid_grant', status: 400 });
    }
  });
});
