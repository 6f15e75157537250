/**
 * bcrypt (`$2b$`; `$2a$` and `$2y$` name the same function), over the password itself or over what
 * some product made of it first. Reads 72 bytes of its input.
 */
import { createHash, createHmac } from 'node:crypto';
import { readBcrypt64, writeBcrypt64 } from '../formats/strict.js';
import { isLibcryptHere } from '../libcrypt.js';
import { type Cost, defineKind, type Keys, type Tools } from './recipe.js';

type Bcrypt = {
  cost: number;
  salt: Uint8Array;
  /** A row of `inputs`, or `2x`: the function with the sign-extension bug, kept for old records. */
  pre: string;
  /** Of `pepper` only. */
  key: string;
};

// 0.78 s at cost 14 where the default hash takes 9.6 ms; each step doubles it.
const costOf = (cost: number): Cost => ({
  key: `bcrypt/${cost}`,
  relative: (81 * 2 ** cost) / 2 ** 14,
  bytes: 8192,
});

type Input = (password: Uint8Array, params: Bcrypt, keys: Keys) => Uint8Array;

const hexOf =
  (algorithm: string): Input =>
  (password) =>
    Buffer.from(createHash(algorithm).update(password).digest('hex'));

const isTrimmed = (byte: number | undefined) =>
  byte === 0 || byte === 9 || byte === 10 || byte === 11 || byte === 13 || byte === 32;

/** What PHP's trim() cuts off. WordPress trims at its login form, so it never hashed these. */
const trim = (password: Uint8Array): Uint8Array => {
  let start = 0;
  let end = password.length;
  while (start < end && isTrimmed(password[start])) start++;
  while (end > start && isTrimmed(password[end - 1])) end--;
  return password.subarray(start, end);
};

const inputs: Readonly<Record<string, Input>> = {
  '-': (password) => password,
  '2x': (password) => password,
  md5hex: hexOf('md5'),
  sha1hex: hexOf('sha1'),
  sha256hex: hexOf('sha256'),
  sha512hex: hexOf('sha512'),
  /** passlib's bcrypt_sha256, version 1. */
  sha256b64: (password) => Buffer.from(createHash('sha256').update(password).digest('base64')),
  /** Version 2: keyed with the text of the salt. */
  hmac256b64: (password, { salt }) =>
    Buffer.from(createHmac('sha256', writeBcrypt64(salt)).update(password).digest('base64')),
  wordpress: (password) =>
    Buffer.from(createHmac('sha384', 'wp-sha384').update(trim(password)).digest('base64')),
  /** Devise: over 72 bytes of both, the pepper is what is lost. */
  pepper: (password, { key }, keys) => {
    const pepper = keys[key];
    if (pepper === undefined) throw new Error('the pepper is not there');
    return Buffer.concat([password, pepper]);
  },
};

const isAscii = (password: string | Uint8Array): boolean =>
  Buffer.from(password)
    .subarray(0, 72)
    .every((byte) => byte < 0x80);

/** Equal to `$2b$` for ASCII; otherwise only the system's library has it (no digest is all zeros). */
const with2x = (password: Uint8Array, { cost, salt }: Bcrypt, tools: Tools): Uint8Array => {
  if (isAscii(password)) return tools.bcrypt(password, cost, salt);
  const setting = `$2x$${String(cost).padStart(2, '0')}$${writeBcrypt64(salt)}`;
  return (
    readBcrypt64(tools.crypt(password.subarray(0, 72), setting)?.slice(29) ?? '', 23) ??
    new Uint8Array(23)
  );
};

export const bcrypt = defineKind<Bcrypt>({
  id: 'bcrypt',
  fields: { cost: 'int', salt: 'bytes', pre: 'word', key: 'key' },
  isWithinLimits: ({ cost, salt, pre, key }, bytes) =>
    cost >= 4 &&
    cost <= 15 &&
    salt.length === 16 &&
    Object.hasOwn(inputs, pre) &&
    (pre === 'pepper') === (key !== '-') &&
    bytes === 23,
  lacks: ({ pre }, given) => {
    const needsLibrary = pre === '2x' && given !== undefined && !isAscii(given.password);
    return needsLibrary && !isLibcryptHere() ? 'library' : undefined;
  },
  ignores: ({ pre }, password) => pre === 'wordpress' && trim(password).length < password.length,
  cost: ({ cost }) => costOf(cost),
  securityClass: ({ cost }) => (cost >= 10 ? 'B' : 'C'),
  derive: (params, password, { keys, tools }) => {
    if (params.pre === '2x') return with2x(password, params, tools);
    const input = inputs[params.pre]?.(password, params, keys);
    if (input === undefined) throw new Error('no such input of bcrypt');
    return tools.bcrypt(input, params.cost, params.salt);
  },
});
