/**
 * Every attack class of RFC 8725 on an access token, for each algorithm: what it does, and that the
 * answer is token_invalid (401), never valid and never an error of ours. Tokens marked "our key" carry
 * a right signature, which an attacker cannot make: they show that the rule itself holds.
 */
import { constants, createHash, createHmac, sign as signBytes } from 'node:crypto';
import { jwtVerify } from 'jose';
import t from 'tap';
import { type SigningAlg, signingAlgs } from '../../tokens/algorithms.js';
import { createVerify } from '../../tokens/verify.js';
import { outcomeOf } from '../store.js';
import {
  audience,
  createFakeKeys,
  encode,
  type FakeKeys,
  forge,
  goodClaims,
  issuer,
  nowMs,
  nowSeconds,
  signInput,
} from './fake-keys.js';

const fine = () => 'ok' as const;
const revocations = {
  ...{ check: fine, checkButSession: fine, checkAlone: fine },
  onGap: () => {},
};

const createSubject = (keys: FakeKeys) => {
  const limits = { cacheSize: 5000 };
  const now = () => nowMs;
  const { verify } = createVerify({ keys, issuer, audience, revocations, now, ...limits });
  return (token: string) => outcomeOf(() => verify(token));
};

type Attack = [name: string, token: string];

/** Signed by our key over exactly these texts. */
const signText = (keys: FakeKeys, head: string, body: string): string => {
  const input = `${encode(head)}.${encode(body)}`;
  return `${input}.${signInput(keys.signing, input).toString('base64url')}`;
};

const spellings = (word: string): string[] => {
  const letters = [...word];
  const cases = Array.from({ length: 2 ** letters.length }, (_, bits) =>
    letters.map((c, at) => ((bits >> at) & 1 ? c.toUpperCase() : c)).join(''),
  );
  return [...cases, ` ${word}`, `${word} `, `${word}\0`, `\u200b${word}`, '', 'null'];
};

const noneAttacks = (keys: FakeKeys): Attack[] => {
  const good = forge(keys).split('.');
  return [...spellings('none'), null, 0, false, [], {}, ['none']].flatMap((alg): Attack[] => {
    const head = encode({ alg, typ: 'at+jwt', kid: keys.signing.kid });
    const name = `alg ${JSON.stringify(alg)}`;
    return [
      [name, `${head}.${good[1]}.`],
      [`${name}, our signature`, `${head}.${good[1]}.${good[2]}`],
      [`${name}, signed by our key`, forge(keys, { header: { alg } })],
    ];
  });
};

/** Every form in which the public key, which everybody knows, could be taken for a secret. */
const confusionAttacks = (keys: FakeKeys): Attack[] => {
  const { publicKey } = keys;
  const jwk = publicKey.export({ format: 'jwk' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const secrets: [string, string | Buffer][] = [
    ['PEM', pem],
    ['PEM without its last line end', pem.trim()],
    ['PEM with CRLF', pem.replaceAll('\n', '\r\n')],
    ['DER', der],
    ['base64 of DER', der.toString('base64')],
    ['JWK', JSON.stringify(jwk)],
    ['x or n of the JWK', Buffer.from(String(jwk.x ?? jwk.n), 'base64url')],
    ['key id', keys.signing.kid],
    ['nothing', ''],
  ];
  return secrets.flatMap(([form, secret]) =>
    [256, 384, 512].map((bits): Attack => {
      const head = encode({ alg: `HS${bits}`, typ: 'at+jwt', kid: keys.signing.kid });
      const input = `${head}.${encode(goodClaims)}`;
      const mac = createHmac(`sha${bits}`, secret).update(input).digest('base64url');
      return [`HS${bits} with the public key as ${form}`, `${input}.${mac}`];
    }),
  );
};

const foreignAttacks = (keys: FakeKeys): Attack[] => {
  const { kid, alg } = keys.signing;
  const stranger = createFakeKeys(alg, kid);
  const jwk = { ...stranger.publicKey.export({ format: 'jwk' }), kid, alg };
  const der = stranger.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const url = 'http://127.0.0.1:9/jwks.json';
  const headers: [string, object][] = [
    ['nothing else', {}],
    ['jwk', { jwk }],
    ['jku', { jku: url }],
    ['x5u', { x5u: url }],
    ['x5c', { x5c: [der] }],
    ['x5t', { x5t: createHash('sha1').update(der).digest('base64url') }],
    ['x5t#S256', { 'x5t#S256': createHash('sha256').update(der).digest('base64url') }],
    ['an unknown kid', { kid: 'other' }],
    ['kid as a path', { kid: '../../../../dev/null' }],
    ['kid as SQL', { kid: "' OR 1=1 --" }],
    ['kid as a member of every object', { kid: 'constructor' }],
    ['kid as the prototype', { kid: '__proto__' }],
    ['kid as a number', { kid: 0 }],
    ['kid in a list', { kid: [kid] }],
    ['no kid', { kid: undefined }],
  ];
  const others = signingAlgs.filter((other) => other !== alg);
  return [
    ...headers.map(
      ([name, header]): Attack => [`a stranger's key, ${name}`, forge(stranger, { header })],
    ),
    ...headers
      .slice(1)
      .map(([name, header]): Attack => [`our key, ${name}`, forge(keys, { header })]),
    ...others.map(
      (other): Attack => [`a ${other} key under our kid`, forge(createFakeKeys(other, kid))],
    ),
    ...[
      ...others,
      'PS256',
      'RS384',
      'RS512',
      'ES384',
      'ES256K',
      'Ed25519',
      'Ed448',
      alg.toLowerCase(),
    ].map((other): Attack => [`our key, alg ${other}`, forge(keys, { header: { alg: other } })]),
  ];
};

const headerAttacks = (keys: FakeKeys): Attack[] => {
  const { kid, alg } = keys.signing;
  const body = JSON.stringify(goodClaims);
  const typs = [
    'JWT',
    'jwt',
    'at+JWT',
    'AT+JWT',
    ' at+jwt',
    'at+jwt ',
    'rt+jwt',
    'id+jwt',
    'dpop+jwt',
  ];
  const more = ['logout+jwt', 'token-introspection+jwt', 'text/at+jwt', '', null, 1, ['at+jwt']];
  const heads: [string, string][] = [
    ['alg twice, none first', `{"alg":"none","alg":"${alg}","typ":"at+jwt","kid":"${kid}"}`],
    ['alg twice, none last', `{"alg":"${alg}","typ":"at+jwt","kid":"${kid}","alg":"none"}`],
    ['kid twice', `{"alg":"${alg}","typ":"at+jwt","kid":"x","kid":"${kid}"}`],
    ['a space', `{"alg": "${alg}","typ":"at+jwt","kid":"${kid}"}`],
    ['a line end', `{"alg":"${alg}","typ":"at+jwt","kid":"${kid}"}\n`],
    ['an escape in a name', `{"\\u0061lg":"${alg}","typ":"at+jwt","kid":"${kid}"}`],
    ['an escape in a value', `{"alg":"${alg}","typ":"at\\u002bjwt","kid":"${kid}"}`],
    ['a byte order mark', `\ufeff{"alg":"${alg}","typ":"at+jwt","kid":"${kid}"}`],
    ['a comma too much', `{"alg":"${alg}","typ":"at+jwt","kid":"${kid}",}`],
    ['__proto__', `{"__proto__":{"alg":"${alg}"},"typ":"at+jwt","kid":"${kid}"}`],
    ['an array', `["${alg}","at+jwt","${kid}"]`],
    ['deep nesting', `{"alg":${'['.repeat(2500)}${']'.repeat(2500)}}`],
    ['text', '"x"'],
    ['null', 'null'],
  ];
  const members: [string, object][] = [
    ['crit known', { crit: ['exp'], exp: 1 }],
    ['crit known, but not there', { crit: ['exp'] }],
    ['crit unknown', { crit: ['x'], x: 1 }],
    ['crit empty', { crit: [] }],
    ['b64 false', { b64: false }],
    ['b64 false, crit', { b64: false, crit: ['b64'] }],
    ['b64 true, crit', { b64: true, crit: ['b64'] }],
    ['zip', { zip: 'DEF' }],
    ['enc', { enc: 'A256GCM' }],
    ['cty', { cty: 'JWT' }],
    ['p2c', { p2c: 1e9, p2s: 'x' }],
    ['any other member', { x: 1 }],
  ];
  return [
    ...[...typs, ...more].map(
      (typ): Attack => [`typ ${JSON.stringify(typ)}`, forge(keys, { header: { typ } })],
    ),
    ['no typ', forge(keys, { header: { typ: undefined } })],
    ...heads.map(([name, head]): Attack => [`header with ${name}`, signText(keys, head, body)]),
    ...members.map(([name, header]): Attack => [name, forge(keys, { header })]),
  ];
};

const claimAttacks = (keys: FakeKeys): Attack[] => {
  const head = JSON.stringify({ alg: keys.signing.alg, typ: 'at+jwt', kid: keys.signing.kid });
  const good = JSON.stringify(goodClaims);
  const times = [null, true, '', 'soon', String(nowSeconds), [nowSeconds], {}, -1, -nowSeconds];
  const numbers = [nowSeconds + 0.5, 1e308, 1e15, 2 ** 53, 1e11, nowMs + 600_000];
  const set = (claims: object): string => forge(keys, { claims });
  const withTime = (name: string) =>
    [...times, ...numbers].map(
      (value): Attack => [`${name} ${JSON.stringify(value)}`, set({ [name]: value })],
    );
  const texts: [string, string][] = [
    ['exp 1e400', good.replace(/"exp":\d+/, '"exp":1e400')],
    ['exp NaN', good.replace(/"exp":\d+/, '"exp":NaN')],
    ['exp with an exponent', good.replace(/"exp":\d+/, `"exp":${(nowSeconds + 600) / 100}e2`)],
    ['exp .0', good.replace(/"exp":(\d+)/, '"exp":$1.0')],
    ['exp -0', good.replace(/"exp":\d+/, '"exp":-0')],
    ['exp twice', good.replace(/"exp":\d+/, `"exp":1,"exp":${nowSeconds + 600}`)],
    ['sub twice', good.replace('"sub"', '"sub":"u_admin","sub"')],
    ['sub twice, once escaped', good.replace('"sub"', '"\\u0073ub":"u_admin","sub"')],
    ['gen twice, nested once', good.replace('"gen":3', '"x":{"a":1,"a":2},"gen":3')],
    ['a space', good.replace(',', ', ')],
    ['a line end at its end', `${good}\n`],
    ['a byte order mark', `\ufeff${good}`],
    ['an array', `[${good}]`],
    ['nothing', ''],
    ['an empty array', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['text', '"x"'],
    ['a brace', '{'],
    ['half an object', '{"a":'],
    ['deep nesting', `{"x":${'['.repeat(2900)}${']'.repeat(2900)}}`],
  ];
  return [
    ...['exp', 'iat', 'nbf'].flatMap(withTime).filter(([name]) => !/^nbf -?0$/.test(name)),
    ['no exp', set({ exp: undefined })],
    ['no iat', set({ iat: undefined })],
    ['iat in the future', set({ iat: nowSeconds + 61 })],
    ['nbf in the future', set({ nbf: nowSeconds + 61 })],
    ['exp not after iat', set({ iat: nowSeconds + 30, exp: nowSeconds + 30 })],
    ['exp before iat', set({ iat: nowSeconds + 30, exp: nowSeconds + 10 })],
    ['a life over the cap', set({ exp: nowSeconds + 901 })],
    ['a life over the cap, begun long ago', set({ iat: 0 })],
    ...[
      undefined,
      null,
      '',
      `${issuer}/`,
      issuer.toUpperCase(),
      [issuer],
      'https://evil.example',
    ].map((iss): Attack => [`iss ${JSON.stringify(iss)}`, set({ iss })]),
    ...[
      undefined,
      null,
      '',
      `${audience}/`,
      'https://other.example',
      [],
      [audience],
      [audience, 'x'],
      { 0: audience },
    ].map((aud): Attack => [`aud ${JSON.stringify(aud)}`, set({ aud })]),
    ...['sub', 'jti', 'client_id', 'sid', 'gen', 'scope'].flatMap((name): Attack[] =>
      [undefined, null, [], {}, true].map((value) => [
        `${name} ${JSON.stringify(value)}`,
        set({ [name]: value }),
      ]),
    ),
    ['empty sub', set({ sub: '' })],
    ['sid of another form', set({ sid: 'u.s' })],
    ['gen as text', set({ gen: '3' })],
    ['gen with a fraction', set({ gen: 3.5 })],
    ...texts.map(([name, text]): Attack => [`payload with ${name}`, signText(keys, head, text)]),
  ];
};

const outsideAttacks = (keys: FakeKeys): Attack[] => {
  const good = forge(keys);
  const [head = '', body = '', signature = ''] = good.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const signed = (other: Buffer): string => `${head}.${body}.${other.toString('base64url')}`;
  const latin = String.fromCharCode(head.charCodeAt(0) + 256) + head.slice(1);
  return [
    ['empty', ''],
    ['dots', '..'],
    ['one part', head],
    ['two parts', `${head}.${body}`],
    ['four parts', `${good}.${signature}`],
    ['five parts, as encrypted tokens have', `${head}.${body}.${signature}.${body}.${signature}`],
    ['no header', `.${body}.${signature}`],
    ['no payload', `${head}..${signature}`],
    ['JSON serialization', JSON.stringify({ protected: head, payload: body, signature })],
    ['no signature', `${head}.${body}.`],
    [
      'signature of another token',
      `${head}.${body}.${forge(keys, { claims: { gen: 4 } }).split('.')[2]}`,
    ],
    ['changed payload', `${head}.${encode({ ...goodClaims, sub: 'u_admin' })}.${signature}`],
    ['zeros as signature', signed(Buffer.alloc(bytes.length))],
    ['half a signature', signed(bytes.subarray(0, bytes.length / 2))],
    ['a byte too much', signed(Buffer.concat([bytes, Buffer.alloc(1)]))],
    ['a zero before it', signed(Buffer.concat([Buffer.alloc(1), bytes]))],
    ['signature backwards', signed(Buffer.from(bytes).reverse())],
    ['a letter whose low byte is right', `${latin}.${body}.${signature}`],
    ['padding', `${good}=`],
    ['padding inside', `${head}=.${body}.${signature}`],
    ['base64 instead of base64url', `${head}.${body}.${bytes.toString('base64')}==`],
    ['spaces around', ` ${good} `],
    ['a line end inside', `${head}\n.${body}.${signature}`],
    ['percent encoding', good.replaceAll('.', '%2E')],
    ['a huge payload', forge(keys, { claims: { x: 'x'.repeat(9000) } })],
    ['a megabyte', `${head}.${'A'.repeat(1 << 20)}.${signature}`],
    ['a megabyte of dots', '.'.repeat(1 << 20)],
    [
      'no UTF-8',
      `${encode(Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1'))}.${body}.${signature}`,
    ],
  ];
};

/** Forms of a signature that a lenient library takes for the same one. */
const signatureAttacks = (keys: FakeKeys): Attack[] => {
  const { alg, privateKey } = keys.signing;
  const input = forge(keys).split('.').slice(0, 2).join('.');
  const signed = (bytes: Buffer): string => `${input}.${bytes.toString('base64url')}`;
  const data = Buffer.from(input);
  const own: Record<SigningAlg, () => Attack[]> = {
    EdDSA: () => [
      ['S plus the order of the group', signed(addOrder(signInput(keys.signing, input)))],
    ],
    ES256: () => [
      ['DER', signed(signBytes('sha256', data, privateKey))],
      [
        'SHA-384',
        signed(signBytes('sha384', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
      ],
      ['r and s of one', signed(Buffer.concat([one32, one32]))],
    ],
    RS256: () => [
      [
        'PSS',
        signed(
          signBytes('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING }),
        ),
      ],
      ['SHA-1', signed(signBytes('sha1', data, privateKey))],
      ['SHA-512', signed(signBytes('sha512', data, privateKey))],
    ],
  };
  return own[alg]();
};

const one32 = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);

/** Ed25519 checks S < L; without that check this would be a second signature (RFC 8032 § 5.1.7). */
const addOrder = (signature: Buffer): Buffer => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order;
  const hex = s.toString(16).padStart(64, '0');
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(hex, 'hex').reverse()]);
};

for (const alg of signingAlgs)
  t.test(`${alg}: no attack is accepted, none is an error of ours`, async (t) => {
    const keys = createFakeKeys(alg);
    const check = createSubject(keys);
    const attacks = [
      ...noneAttacks(keys),
      ...confusionAttacks(keys),
      ...foreignAttacks(keys),
      ...headerAttacks(keys),
      ...claimAttacks(keys),
      ...outsideAttacks(keys),
      ...signatureAttacks(keys),
    ];
    t.ok(attacks.length > 250, `${attacks.length} attacks`);
    for (const [name, token] of attacks) t.equal(await check(token), 'token_invalid', name);
    t.equal(await check(forge(keys)), 'ok', 'the forge itself is right');
    const typ = 'application/at+jwt';
    t.equal(await check(forge(keys, { header: { typ } })), 'ok', 'RFC 9068 § 4 takes both');
  });

t.test('every letter of a token counts; what jose refuses we refuse', async (t) => {
  for (const alg of signingAlgs) {
    const keys = createFakeKeys(alg);
    const check = createSubject(keys);
    const token = forge(keys);
    const options = { issuer, audience, typ: 'at+jwt', currentDate: new Date(nowMs) };
    const joseTakes = (text: string) =>
      jwtVerify(text, keys.publicKey, { ...options, algorithms: [alg] }).then(
        () => true,
        () => false,
      );
    t.equal(await joseTakes(token), true);
    const faults: string[] = [];
    for (let at = 0; at < token.length; at++) {
      const letter = token[at] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      if ((await check(changed)) === 'ok') faults.push(`${alg}: letter ${at} does not count`);
    }
    for (const claims of [
      {},
      { exp: nowSeconds },
      { nbf: nowSeconds + 1000 },
      { iss: 'x' },
      { aud: [] },
    ]) {
      const forged = forge(keys, { claims });
      if ((await check(forged)) === 'ok' && !(await joseTakes(forged)))
        faults.push(`${alg}: jose refuses ${JSON.stringify(claims)}`);
    }
    t.strictSame(faults, []);
  }
});
