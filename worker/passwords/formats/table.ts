/** The table of formats. Adding one is a file beside this one and a row here. */
import { argon2 } from './argon2.js';
import { aspnetIdentity } from './aspnet-identity.js';
import { bcrypt } from './bcrypt.js';
import { bcryptFormats } from './bcrypt-prehashed.js';
import { fastFormats } from './fast.js';
import { firebaseFormats } from './firebase-scrypt.js';
import type { Format } from './format.js';
import { keycloak } from './keycloak.js';
import { own } from './own.js';
import { pbkdf2Django } from './pbkdf2-django.js';
import { pbkdf2Formats } from './pbkdf2-others.js';
import { pbkdf2Passlib } from './pbkdf2-passlib.js';
import { scryptFormats } from './scrypt.js';
import { spring } from './spring.js';
import { wrapped } from './wrapped.js';
import { yescryptFormats } from './yescrypt.js';

export const formats: readonly Format[] = [
  ...[argon2, own, wrapped],
  ...[bcrypt, ...bcryptFormats],
  ...[pbkdf2Passlib, pbkdf2Django, ...pbkdf2Formats, aspnetIdentity],
  ...[...scryptFormats, ...firebaseFormats],
  ...[keycloak, spring],
  ...yescryptFormats,
  ...fastFormats,
];

export const byId: ReadonlyMap<string, Format> = new Map(
  formats.map((format) => [format.id, format]),
);
