/**
 * What nobody and nothing of ours may be called: how callers with a token of another issuer, their clients and
 * scopes begin (issuers/identity.ts), or who is behind us would take one for the other.
 */
import { isScopes } from './fields.js';

export const isReserved = (name: string): boolean => /^ext(-client)?:/.test(name);

/** Scopes, perhaps none, that a user or client of ours may have. */
export const isGrantable = (scopes: string): boolean =>
  isScopes(scopes) && !scopes.split(' ').some(isReserved);
