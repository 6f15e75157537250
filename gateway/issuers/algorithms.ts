/** Signature algorithms that tokens of other issuers may use: with a public key, and nothing else. */
export const foreignAlgs = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export type ForeignAlg = (typeof foreignAlgs)[number];

export const isForeignAlg = (text: unknown): text is ForeignAlg =>
  foreignAlgs.some((name) => name === text);
