import t from 'tap';
import { AppError } from '../../shared/errors.js';
import { createSign } from '../tokens/sign.js';
import { createVerify } from '../tokens/verify.js';
import { createVerifyAny } from '../verify-any.js';
import { outcomeOf } from './store.js';
import {
  audience,
  createFakeKeys,
  encode,
  forge,
  goodClaims,
  grant,
  issuer,
  nowMs,
} from './tokens/fake-keys.js';

const setup = () => {
  const keys = createFakeKeys();
  const now = () => nowMs;
  const sign = createSign({ keys, issuer, audience, ttlSeconds: 600, now });
  const revocations = {
    check: () => 'ok' as const,
    checkButSession: () => 'ok' as const,
    checkAlone: () => 'ok' as const,
    onGap: () => {},
  };
  const verifier = createVerify({ keys, issuer, audience, revocations, now });
  const asked: string[] = [];
  const external = { sub: 'ext:partner:alice', sid: '', scope: '', clientId: '' } as const;
  const issuers = {
    verify: (token: string) => {
      asked.push(token);
      if (token === 'down') throw new AppError('issuer_unavailable');
      return token.startsWith('ext') ? external : undefined;
    },
  };
  const verifyAny = createVerifyAny({ verify: verifier.verify, issuers });
  return { keys, sign, verifyAny, asked, external };
};

t.test('our own tokens come first, and after one of them nobody else is asked', async (t) => {
  const { sign, verifyAny, asked } = setup();
  t.match(await verifyAny(sign(grant).token), { sub: 'u_1' });
  const before = asked.length;
  for (let i = 0; i < 10; i++) {
    const { token } = sign(grant);
    t.match(await verifyAny(token), { sub: 'u_1' });
    t.notOk(verifyAny(token) instanceof Promise, 'no promise on a hit');
  }
  t.equal(asked.length, before);
});

t.test('what is not ours is asked about, and what is nobody’s is refused', async (t) => {
  const { verifyAny, external } = setup();
  t.equal(await verifyAny('ext-1'), external);
  t.equal(await outcomeOf(() => verifyAny('garbage')), 'token_invalid');
  t.equal(await outcomeOf(() => verifyAny('down')), 'issuer_unavailable');
});

t.test('nobody but the holder of a key of ours teaches us what is ours', async (t) => {
  const { keys, verifyAny, asked } = setup();
  const forged = `${encode({ alg: 'EdDSA', typ: 'at+jwt', kid: 'theirs' })}.${encode(goodClaims)}.AAAA`;
  const stolen = forge(createFakeKeys('EdDSA', keys.signing.kid));
  for (const token of [forged, forged, stolen, stolen])
    t.equal(await outcomeOf(() => verifyAny(token)), 'token_invalid');
  t.equal(asked.length, 4);
});
