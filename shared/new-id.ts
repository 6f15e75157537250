import { randomBytes } from 'node:crypto';

/** 128 random bits in 22 characters of base64url: of an attempt, a boot, a token, a client, a session. */
export const newId = (): string => randomBytes(16).toString('base64url');
