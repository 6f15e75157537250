/** What the answers of a cut amount to, by the rule that is published for it. */
import type { Asked, CutResult } from './cut.js';

/** The promise of design § 5 for an edge that hears the log. */
export const promiseMs = 100;
/** `deny`: 503 after this. */
const denyMs = 1000;

export type Verdict = {
  /** Checks during the cut by answer. */
  during: Record<string, number>;
  /** Against the rule: for `allow`, a living token refused; for `deny`, any token accepted after 1 s. */
  broken: number;
  /** Revoked tokens accepted by an edge that has the log again. */
  acceptedBack: number;
  /** From the mended way to the last revoked token that was accepted; 0 when none was. */
  lastAcceptedMs: number;
};

const isAccepted = ({ status }: Asked): boolean => status === 200;
const isRevoked = ({ token }: Asked): boolean => token === 'revoked';

export const judge = ({ rule, asked, mendedAt, backAt }: CutResult): Verdict => {
  const before = asked.filter(({ answeredAt }) => answeredAt < mendedAt);
  const after = asked.filter((one) => one.at >= mendedAt && isRevoked(one) && isAccepted(one));
  const during: Record<string, number> = {};
  for (const { token, status } of before) {
    const name = `${token}: ${status}`;
    during[name] = (during[name] ?? 0) + 1;
  }
  const broken =
    rule === 'deny'
      ? before.filter((one) => one.at > denyMs && isAccepted(one))
      : before.filter((one) => !isRevoked(one) && !isAccepted(one));
  // Under `deny` an edge answers again only when it has read everything.
  const tooLate = rule === 'deny' ? after : after.filter(({ at }) => at > backAt + promiseMs);
  return {
    during,
    broken: broken.length,
    acceptedBack: tooLate.length,
    lastAcceptedMs: Math.max(0, ...after.map(({ at }) => at - mendedAt)),
  };
};
