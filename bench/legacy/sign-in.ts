/** Single logins, to see that imported users can sign in. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../fleet.js';
import { loginOf, passwordOf } from './import-file.js';

type Wanted = { users: readonly number[]; lanes: number; progress: (text: string) => void };

const maxTries = 20;

const signIn = async (fleet: Fleet, i: number, password: string, tries = 1): Promise<number> => {
  const answer = await fetch(`http://127.0.0.1:${fleet.port}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: loginOf(i), password }),
  });
  await answer.arrayBuffer();
  if (answer.status !== 503 || tries === maxTries) return answer.status;
  await sleep(100 * tries);
  return signIn(fleet, i, password, tries + 1);
};

/** `count` of the users from `first` to `end`, evenly: how many could sign in. */
export const signInSome = async (
  fleet: Fleet,
  wanted: { first: number; end: number; count: number; step: number },
): Promise<{ tried: number; ok: number }> => {
  const { first, end, count, step } = wanted;
  const every = step * Math.max(1, Math.floor((end - first) / step / count));
  let [tried, ok] = [0, 0];
  for (let i = first; i < end && tried < count; i += every) {
    tried++;
    if ((await signIn(fleet, i, passwordOf(i))) === 200) ok++;
  }
  return { tried, ok };
};

/** Each of these users, `lanes` at a time: how many could sign in. */
export const signInEach = async (
  fleet: Fleet,
  { users, lanes, progress }: Wanted,
): Promise<number> => {
  const left = users.values();
  let [done, ok] = [0, 0];
  const lane = async () => {
    for (const i of left) {
      if ((await signIn(fleet, i, passwordOf(i))) === 200) ok++;
      if (++done % 1000 === 0) progress(`${done} of ${users.length} have signed in`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return ok;
};
