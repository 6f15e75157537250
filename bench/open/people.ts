/**
 * Who asks while a node fails: people with the right password, some with a wrong one, some who register. Done
 * twice, the second and third could end in two ways, the first hardly.
 */
import { loginRequest, type Users } from '../users.js';
import type { Sample } from './generator.js';

/** Shares of the arrivals. */
export const mix = { all: 0.9, wrong: 0.05, new: 0.05 };
const right: Record<string, number> = { all: 200, wrong: 401, new: 201 };
/** More than come; the same name again would be refused. */
const newcomers = 5000;

/** Each in a network of its own, so that nobody is suspect for what others did. */
const addressOf = (net: number, i: number): string =>
  `X-Forwarded-For: ${net}.${Math.floor(i / 250) % 250}.${i % 250}.7\r\n`;

const registration = (i: number): string => {
  const body = JSON.stringify({ username: `newcomer-${i}`, password: `no common password ${i}` });
  return (
    'POST /v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
    `${addressOf(12, i)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
};

export const groupsOf = ({ names, password }: Users): Record<string, string[]> => ({
  all: names.map((name, i) => loginRequest(name, password, addressOf(10, i))),
  wrong: names.map((name, i) => loginRequest(name, 'not the password', addressOf(11, i))),
  new: Array.from({ length: newcomers }, (_, i) => registration(i)),
});

/** Answered as it had to be. */
export const isRight = ({ group, status }: Sample): boolean => status === right[group];

/** Who registers may wait for less than who signs in, and is the first to hear that there is no room. */
export const isPutOff = ({ group, code }: Sample): boolean =>
  group === 'new' && code === 'overloaded';

export const isFailed = (sample: Sample): boolean => !isRight(sample) && !isPutOff(sample);

/** Refusals of a wrong password are held back on purpose. */
export const isSignIn = ({ group }: Sample): boolean => group === 'all';
