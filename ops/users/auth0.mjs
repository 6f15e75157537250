/**
 * Auth0's description of a hash that another system made (`custom_password_hash`), as the fields of a
 * row. What it says in several fields is put into one spelling that a node reads; the key of an HMAC
 * goes along in Kratos's, from where it leaves the row for the key ring.
 */

/** @typedef {Record<string, any>} Fields */

const digests = ['md4', 'md5', 'sha1', 'sha256', 'sha512'];
const macs = [...digests, 'sha224', 'sha384'];

/** Bytes that are tagged with their encoding; what is not in it becomes nothing, which no hash is. @param {Fields} [tagged] */
const bytesOf = ({ value, encoding = 'utf8' } = {}) => {
  const text = String(value ?? '');
  if (encoding === 'utf8') return Buffer.from(text);
  const name = encoding === 'hex' ? 'hex' : 'base64';
  const bytes = Buffer.from(text, name);
  const isWhole = bytes.toString(name).replace(/=+$/, '') === text.replace(/=+$/, '');
  return isWhole || (name === 'hex' && text.length === 2 * bytes.length) ? bytes : Buffer.alloc(0);
};

/** A digest in its two encodings; as text it is hex. @param {Fields} hash */
const digestOf = ({ value, encoding }) =>
  encoding === 'base64' ? bytesOf({ value, encoding }).toString('hex') : String(value);

const toBase64 = (/** @type {Buffer} */ bytes) => bytes.toString('base64');
const bare = (/** @type {Buffer} */ bytes) => toBase64(bytes).replace(/=+$/, '');

/** Key and MAC as Kratos writes them. With a salt it would be another construction. @param {Fields} custom */
const fromHmac = ({ hash, salt }) => {
  const { digest, key } = hash;
  if (salt !== undefined || !macs.includes(digest)) return undefined;
  const mac = toBase64(Buffer.from(digestOf(hash)));
  return { hash: `$hmac-${digest}$${mac}$${toBase64(bytesOf(key))}`, format: 'kratos-hmac' };
};

/** As it is stored here; its parameters have defaults there. @param {Fields} custom */
const fromScrypt = ({ hash, salt, cost = 16_384, blockSize = 8, parallelization = 1, keylen }) => {
  const digest = Buffer.from(digestOf(hash), 'hex');
  if (keylen !== undefined && keylen !== digest.length) return undefined;
  const size = `ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}`;
  return { hash: `$x-scrypt$${size},salt=${bare(bytesOf(salt))}$${bare(digest)}` };
};

/** @param {Fields} custom */
const fromDigest = ({ algorithm, hash, salt, password }) => {
  const { value, encoding } = hash;
  const isNt = algorithm === 'md4' && /^(ucs2|utf16le)$/.test(password?.encoding ?? '');
  if (isNt && salt === undefined) return { hash: digestOf(hash), format: 'nthash' };
  const text = encoding === 'base64' ? { b64: value } : { hex: value };
  if (salt === undefined) return { hash: text, format: 'digest', alg: algorithm };
  const tag = { base64: 'b64', hex: 'hex' }[String(salt.encoding)] ?? 'utf8';
  const order = salt.position === 'suffix' ? 'password+salt' : 'salt+password';
  return {
    ...{ hash: text, format: 'salted-digest', alg: algorithm, order },
    salt: { [tag]: salt.value },
  };
};

/** @param {Fields} custom */
const known = (custom) => {
  const { algorithm, hash } = custom;
  const { value } = hash;
  if (['argon2', 'bcrypt', 'pbkdf2'].includes(algorithm)) return { hash: value || null };
  if (algorithm === 'ldap') return { hash: String(value), format: 'ldap' };
  if (algorithm === 'hmac') return fromHmac(custom);
  if (algorithm === 'scrypt') return fromScrypt(custom);
  return digests.includes(algorithm) ? fromDigest(custom) : undefined;
};

/** What is not read says so under its own name. @param {Fields} custom @returns {Fields} */
export const fromAuth0Custom = ({ hash = {}, ...rest }) =>
  known({ ...rest, hash }) ?? { hash: String(hash.value), format: `auth0-${rest.algorithm}` };
