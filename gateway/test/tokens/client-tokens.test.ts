/** Tokens of clients that act for themselves: valid without a session, and never taken for a user's. */
import t from 'tap';
import { createSign } from '../../tokens/sign.js';
import { usersOnly } from '../../tokens/users-only.js';
import { createVerify } from '../../tokens/verify.js';
import { outcomeOf } from '../store.js';
import { audience, createFakeKeys, forge, grant, issuer, nowMs, sessionId } from './fake-keys.js';

const keys = createFakeKeys();
const now = () => nowMs;
const revocations = {
  check: () => 'ok' as const,
  checkButSession: () => 'ok' as const,
  checkAlone: () => 'ok' as const,
  onGap: () => {},
};
const common = { keys, issuer, revocations, now };
const { verify } = createVerify({ ...common, audience });
const { verify: verifyIssued } = createVerify(common);
const sign = createSign({ keys, issuer, audience, ttlSeconds: 600, now });
const own = { userId: 'c_1', clientId: 'c_1', gen: 2, scope: 'read' };

t.test('a client has a token without a session', async (t) => {
  const { token } = sign(own);
  t.match(await verify(token), { sub: 'c_1', clientId: 'c_1', sid: '', u: 'c_1', gen: 2 });
  const checkUser = usersOnly(verify);
  t.equal(await outcomeOf(() => checkUser(token)), 'insufficient_scope', 'known');
  t.equal(await outcomeOf(() => checkUser(sign(own).token)), 'insufficient_scope', 'new');
  t.equal(await outcomeOf(() => checkUser(sign(grant).token)), 'ok');
});

t.test('client and user cannot be mistaken for each other', async (t) => {
  const cases: [string, object][] = [
    ['a client with a session', { sub: 'c_1', client_id: 'c_1', sid: sessionId }],
    ['a client under the id of another', { sub: 'c_1', client_id: 'c_2', sid: undefined }],
    ['a user without a session', { sub: 'u_1', client_id: 'u_1', sid: undefined }],
    ['a client without generation', { sub: 'c_1', sid: undefined, gen: undefined }],
  ];
  for (const [name, claims] of cases)
    t.equal(await outcomeOf(() => verify(forge(keys, { claims }))), 'token_invalid', name);
});

t.test("a user whose id looks like a client's is a user", async (t) => {
  const { token } = sign({ ...grant, userId: 'c_1001' });
  t.match(await verify(token), { sub: 'c_1001', sid: sessionId, clientId: 'c_1' });
  t.equal(await outcomeOf(() => usersOnly(verify)(token)), 'ok');
});

t.test('a token for another resource server is none here, but can be looked at', async (t) => {
  const { token } = sign({ ...own, audience: 'https://other.example' });
  t.equal(await outcomeOf(() => verify(token)), 'token_invalid');
  t.match(await verifyIssued(token), { aud: 'https://other.example', sub: 'c_1' });
});
