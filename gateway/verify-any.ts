/**
 * One check for tokens of whatever origin, for `/v1/verify` and nothing else: a token of another issuer
 * opens no route of ours. Our own come first, and pay for the others a comparison of their beginning:
 * the header of our tokens is the same text for each of our keys.
 */
import type { Identity } from './forward-auth.js';
import type { Issuers } from './issuers/issuers.js';
import type { Verifier } from './tokens/verify.js';

export type VerifyAny = (token: string) => Identity | Promise<Identity>;

const maxHeads = 8;

export const createVerifyAny = ({
  verify,
  issuers,
}: {
  verify: Verifier['verify'];
  issuers: Pick<Issuers, 'verify'>;
}): VerifyAny => {
  /** Headers, with their dot, of tokens that our keys have signed. Nobody else can add one. */
  const heads: string[] = [];

  /** `startsWith` looks at one letter after the other and takes ten times as long. */
  const isOurs = (token: string): boolean => {
    for (const head of heads) if (token.slice(0, head.length) === head) return true;
    return false;
  };

  const learn = (token: string) => {
    const head = token.slice(0, token.indexOf('.') + 1);
    if (!heads.includes(head)) heads.unshift(head);
    heads.length = Math.min(heads.length, maxHeads);
  };

  /** Also for what is of nobody: it says what is wrong with a token. */
  const verifyOwn = (token: string): Identity | Promise<Identity> => {
    const claims = verify(token);
    const learned = (checked: Identity): Identity => {
      learn(token);
      return checked;
    };
    return claims instanceof Promise ? claims.then(learned) : learned(claims);
  };

  return (token) => (isOurs(token) ? verify(token) : (issuers.verify(token) ?? verifyOwn(token)));
};
