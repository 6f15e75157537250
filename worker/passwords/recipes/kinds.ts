/** The table of kinds. Adding a function is a file beside this one and a row here. */
import { argon2 } from './argon2.js';
import { bcrypt } from './bcrypt.js';
import { digest } from './digest.js';
import { fbscrypt } from './fbscrypt.js';
import { hmac } from './hmac.js';
import { magento } from './magento.js';
import { md5crypt } from './md5crypt.js';
import { pbkdf2 } from './pbkdf2.js';
import { phpass } from './phpass.js';
import type { Kind } from './recipe.js';
import { scrypt } from './scrypt.js';
import { shacrypt } from './shacrypt.js';
import { template } from './template.js';
import { createWrap } from './wrap.js';
import { yescrypt } from './yescrypt.js';

const slow: readonly Kind[] = [argon2, bcrypt, pbkdf2, scrypt, fbscrypt, yescrypt];
/** Digests of one pass and the loops of the PHP and crypt(3) era. */
const fast: readonly Kind[] = [digest, hmac, template, magento, phpass, md5crypt, shacrypt];

/** Functions of a password; each can also stand inside a wrapped record. */
const plain: readonly Kind[] = [...slow, ...fast];
/** `readSetting`, `writeSetting`: the inner setting of a wrapped record (wrap.ts). */
export const { kind: wrap, readSetting, writeSetting } = createWrap(plain);
export const kinds: readonly Kind[] = [...plain, wrap];

export const byId: ReadonlyMap<string, Kind> = new Map(kinds.map((kind) => [kind.id, kind]));
