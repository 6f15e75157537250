/**
 * The hotkey bench: one account is a fifth of the traffic; do the others notice? Each slice has a hot account
 * of its own and ends before that one has its 60 logins of a minute: turning it away would cost nothing.
 */
import { forwardedLogins, type Users } from '../users.js';
import { createBesideBench } from './beside.js';
import { type Crowd, load } from './beside-measure.js';

const share = 0.2;
const hotAccounts = 20;
const mostLogins = 50;

/** The last users are the hot ones, each a group of its own. */
const groupsOf = (users: Users) => {
  const requests = forwardedLogins(users);
  const hot = requests.slice(-hotAccounts).map((request, i) => [`hot-${i}`, [request]] as const);
  return { others: requests.slice(0, -hotAccounts), ...Object.fromEntries(hot) };
};

export const hotAccount = (): Crowd => {
  let taken = 0;
  return {
    groupsOf,
    mix: () => ({
      others: (1 - share) * load,
      [`hot-${taken++ % hotAccounts}`]: share * load,
    }),
    longestMs: (capacity) => (1000 * mostLogins) / (share * load * capacity),
  };
};

export const hotkey = createBesideBench({
  about: 'one account is a fifth of the traffic: p99 of the others against the same load without',
  heading: 'A hot account',
  who: 'a hot account',
  crowd: hotAccount,
  parameters: { hot_share: share },
});
