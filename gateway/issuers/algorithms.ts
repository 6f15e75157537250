/** Signature algorithms that tokens of other issuers may use: with a public key, and nothing else. */
export const algorithms = [
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

export type ForeignAlg = (typeof algorithms)[number];

export const isAlgorithm = (text: unknown): text is ForeignAlg =>
  algorithms.some((name) => name === text);
