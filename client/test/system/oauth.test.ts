/** Programs get their tokens from the real token endpoint, by secret and by signed assertion. */
import { randomUUID, sign } from 'node:crypto';
import t from 'tap';
import { startFleet } from '../../../gateway/test/system/fleet.js';
import { createRig } from '../../../gateway/test/system/oauth-rig.js';
import { createClient } from '../../client.js';
import { createClientCredentials } from '../../client-credentials.js';
import { failureOf } from '../server.js';

t.setTimeout(300_000);

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

t.test('tokens of programs', async (t) => {
  const fleet = await startFleet(t, { nodes: 1 });
  const rig = await createRig(t, fleet);
  const baseUrl = `http://localhost:${fleet.port}`;
  // The machine may be slow; the library has all the time that it wants.
  const patient = { baseUrl, timeoutMs: 60_000, attemptTimeoutMs: 10_000 };
  const client = createClient(patient);

  const { id, secret } = await rig.addClient({ scopes: 'read write' });
  const bySecret = { ...patient, clientId: id, clientSecret: secret };
  const token = await createClientCredentials({ ...bySecret, scope: 'read' }).getToken();
  t.match(await client.verify(token), { userId: id, clientId: id, scope: 'read', sessionId: '' });

  const wrong = createClientCredentials({ ...bySecret, clientSecret: `${secret}x` });
  t.match(await failureOf(wrong.getToken()), {
    ...{ kind: 'rejected', code: 'invalid_client', status: 401, requestId: /./ },
  });
  const wide = createClientCredentials({ ...bySecret, scope: 'admin' });
  t.match(await failureOf(wide.getToken()), { kind: 'rejected', code: 'invalid_scope' });

  const keyed = await rig.addKeyClient({ scopes: 'read' });
  const keyedOptions = {
    ...patient,
    clientId: keyed.id,
    signAssertion: ({ clientId, audience }: { clientId: string; audience: string }) => {
      const exp = Math.floor(Date.now() / 1000) + 60;
      const claims = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), exp };
      const text = `${encode({ alg: 'EdDSA', kid: 'k1' })}.${encode(claims)}`;
      return `${text}.${sign(null, Buffer.from(text), keyed.privateKey).toString('base64url')}`;
    },
  };
  const byAssertion = createClientCredentials(keyedOptions);
  t.match(await client.verify(await byAssertion.getToken()), { clientId: keyed.id });

  const elsewhere = { ...keyedOptions, baseUrl: `http://127.0.0.1:${fleet.port}` };
  t.match(await failureOf(createClientCredentials(elsewhere).getToken()), {
    code: 'invalid_client',
  });
  const named = createClientCredentials({ ...elsewhere, issuer: baseUrl });
  t.match(await client.verify(await named.getToken()), { clientId: keyed.id });
});
