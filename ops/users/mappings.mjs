/**
 * The usual exports of other products as rows of an import (reference legacy-hashes § 5.8), one pure
 * function each: from one record of the export to a row, or to the code of what is wrong with it. A format
 * is declared where the string alone does not say what it is; the rest identifies itself.
 */
import { fromAuth0Custom } from './auth0.mjs';

/**
 * @typedef {Record<string, any>} Fields
 * @typedef {{ row: Fields, code?: undefined, field?: undefined } | { code: string, field: string, row?: undefined }} Mapped
 * @typedef {Readonly<Record<string, string>>} Settings given as --set NAME=VALUE
 * @typedef {{ help: string, settings?: readonly string[], map: (record: Fields, settings: Settings) => Mapped | undefined }} Mapping `map`: undefined is nobody
 */

/** Nothing, and how databases print it. @param {unknown} value */
const isEmpty = (value) => value == null || value === '' || value === 'NULL' || value === '\\N';

/** The first that is there and not empty. @param {...unknown} values */
const first = (...values) => values.find((value) => !isEmpty(value));

const falsy = ['0', 'f', 'false', 'no', 'n'];

/** Truth as databases print it. @param {unknown} value */
const isTrue = (value) => !isEmpty(value) && !falsy.includes(String(value).toLowerCase());

/** @param {unknown} login @param {unknown} id @param {Fields} rest @param {boolean} [isActive] @returns {Mapped} */
const toRow = (login, id, rest, isActive = true) => {
  if (login === undefined) return { code: 'E_FIELD_MISSING', field: 'login' };
  return {
    row: {
      ...(id === undefined ? {} : { id: String(id) }),
      login: String(login),
      ...rest,
      ...(isActive ? {} : { status: 'disabled' }),
    },
  };
};

/** A hash that says what it is; none, or a mark of the product's own, is an account without password. */
const plain = (/** @type {unknown} */ hash) => ({ hash: first(hash) ?? null });

/** @param {string} text @param {unknown} format @param {Fields} [more] */
const declared = (text, format, more = {}) => ({ hash: text, format, ...more });

/** Django: a CSV of auth_user, or `dumpdata auth.user`. @param {Fields} record @returns {Mapped} */
const django = (record) => {
  const { username, email, password, is_active } = record.fields ?? record;
  const id = first(record.pk, record.id);
  const isActive = is_active === undefined || isTrue(is_active);
  const hash = String(first(password) ?? '');
  const isFast = /^(sha1|md5)\$|^[0-9a-f]{32}$/.test(hash);
  const isUnusable = hash === '' || hash.startsWith('!');
  const given = isFast ? declared(hash, 'django-digest') : plain(isUnusable ? undefined : hash);
  return toRow(first(username, email), id, given, isActive);
};

/** wp_users. 32 hex digits are md5, from before 2.5 or set by hand. @param {Fields} record */
const wordpress = ({ ID, id, user_login, user_email, user_pass, user_status }) => {
  const hash = String(first(user_pass) ?? '');
  const isMd5 = /^[0-9a-f]{32}$/i.test(hash);
  const given = isMd5 ? declared(hash, 'digest', { alg: 'md5' }) : plain(hash);
  const isActive = first(user_status) === undefined || !isTrue(user_status);
  return toRow(first(user_login, user_email), first(ID, id), given, isActive);
};

/** users (7) or users_field_data (8 and later); user 0 is everybody who is not signed in. @param {Fields} record */
const drupal = ({ uid, name, mail, pass, status }) =>
  String(uid) === '0'
    ? undefined
    : toRow(first(name, mail), first(uid), plain(pass), status === undefined || isTrue(status));

/** A realm's export, `users` of it. @param {Fields} record */
const keycloak = ({ id, username, email, enabled, credentials }) => {
  const list = Array.isArray(credentials) ? credentials : [];
  const found = list.find((each) => each?.type === 'password');
  const { secretData, credentialData } = found ?? {};
  const text = JSON.stringify({ type: 'password', secretData, credentialData });
  const given = found === undefined ? plain(undefined) : declared(text, 'keycloak');
  return toRow(first(username, email), first(id), given, enabled !== false);
};

/** `firebase auth:export`; the parameters are those of the console's "password hash parameters". */
const firebase = (/** @type {Fields} */ record, /** @type {Settings} */ settings) => {
  const { localId, email, phoneNumber, passwordHash, salt, disabled } = record;
  const { 'memory-cost': ln = '14', rounds: r = '8', 'salt-separator': sep = 'Bw==' } = settings;
  const standard = (/** @type {unknown} */ text) =>
    String(text ?? '')
      .replaceAll('-', '+')
      .replaceAll('_', '/');
  const params = { ln: Number(ln), r: Number(r), sep: { b64: sep } };
  const given = first(passwordHash)
    ? {
        ...{ format: 'firebase-scrypt', hash: { b64: standard(passwordHash) }, params },
        ...{ salt: { b64: standard(salt) }, key: settings.key ?? 'firebase' },
      }
    : plain(undefined);
  return toRow(first(email, phoneNumber), first(localId), given, !isTrue(disabled));
};

/** The export with hashes that their support makes, or a file made for their import. @param {Fields} record */
const auth0 = (record) => {
  const { user_id, _id, email, username, blocked, passwordHash, password_hash } = record;
  const custom = record.custom_password_hash;
  const oid = _id?.$oid ?? _id;
  const id = first(user_id, oid === undefined ? undefined : `auth0|${oid}`);
  const hash = first(passwordHash, password_hash);
  const given = custom && !hash ? fromAuth0Custom(custom) : plain(hash);
  return toRow(first(username, email), id, given, !isTrue(blocked));
};

/** AspNetUsers. A lock-out with an end in the far future is how an account is disabled there. */
const aspnet = (/** @type {Fields} */ record) => {
  const { Id, UserName, Email, PasswordHash, LockoutEnd } = record;
  const isLocked = /^(9999|2[1-9]\d\d)-/.test(String(LockoutEnd ?? ''));
  const hash = first(PasswordHash);
  const given = hash === undefined ? plain(hash) : declared(String(hash), 'aspnet-identity');
  return toRow(first(UserName, Email), first(Id), given, !isLocked);
};

/** users of Rails with Devise; `pepper` is the key id of Devise.pepper, when it is set. */
const devise = (/** @type {Fields} */ record, /** @type {Settings} */ { pepper }) => {
  const { id, email, username, encrypted_password, locked_at } = record;
  const hash = first(encrypted_password);
  const key = pepper === undefined ? {} : { key: pepper };
  const given = hash === undefined ? plain(hash) : declared(String(hash), 'devise', key);
  return toRow(first(email, username), first(id), given, first(locked_at) === undefined);
};

/** users: bcrypt or argon2, as its driver says. @param {Fields} record */
const laravel = ({ id, email, name, password, deleted_at }) =>
  toRow(first(email, name), first(id), plain(password), first(deleted_at) === undefined);

/** What Kratos writes and others write differently. @type {readonly (readonly [RegExp, string])[]} */
const kratosSpellings = [
  [/^\$scrypt\$/, 'scrypt-kratos'],
  [/^\$pbkdf2-/, 'pbkdf2-kratos'],
  [/^\$firescrypt\$/, 'firebase-scrypt-kratos'],
  [/^\$hmac-/, 'kratos-hmac'],
  [/^\$(md5|sha1|sha256|sha512)\$/, 'kratos-digest'],
];

/** Identities with `include_credential=password`. @param {Fields} record */
const kratos = ({ id, traits = {}, state, credentials }) => {
  const { identifiers, config } = credentials?.password ?? {};
  const hash = first(config?.hashed_password);
  const spelling = kratosSpellings.find(([form]) => form.test(String(hash)))?.[1];
  const given = spelling === undefined ? plain(hash) : declared(String(hash), spelling);
  const login = first(identifiers?.[0], traits.email, traits.username);
  return toRow(login, first(id), given, state !== 'inactive');
};

/** auth.users of Supabase, or GoTrue's. @param {Fields} record */
const supabase = ({ id, email, phone, encrypted_password, banned_until, deleted_at }) => {
  const isBanned = Date.parse(String(banned_until ?? '')) > Date.now();
  const isActive = !isBanned && first(deleted_at) === undefined;
  return toRow(first(email, phone), first(id), plain(encrypted_password), isActive);
};

/** @type {Readonly<Record<string, Mapping>>} */
export const mappings = {
  django: { help: 'CSV of auth_user, or dumpdata auth.user', map: django },
  wordpress: { help: 'CSV of wp_users', map: wordpress },
  drupal: { help: 'CSV of users or users_field_data', map: drupal },
  keycloak: { help: 'realm export with users (JSON)', map: keycloak },
  firebase: {
    help: 'firebase auth:export (JSON); --set key=ID of the signer key, memory-cost, rounds, salt-separator',
    settings: ['key', 'memory-cost', 'rounds', 'salt-separator'],
    map: firebase,
  },
  auth0: { help: 'export with password hashes (NDJSON), or a file for its import', map: auth0 },
  aspnet: { help: 'CSV of AspNetUsers', map: aspnet },
  devise: {
    help: 'CSV of users; --set pepper=ID of the pepper',
    settings: ['pepper'],
    map: devise,
  },
  laravel: { help: 'CSV of users', map: laravel },
  kratos: { help: 'identities with include_credential=password (JSON)', map: kratos },
  supabase: { help: 'CSV of auth.users', map: supabase },
};

/**
 * Columns by name for everything else: --map login=email,hash=password.
 * @param {string} text
 * @returns {((record: Fields) => Mapped | undefined) | undefined} undefined: it does not parse
 */
export const parseMap = (text) => {
  const pairs = text.split(',').map((part) => part.split('='));
  const known = [
    'id',
    'login',
    'hash',
    'format',
    'alg',
    'order',
    'scopes',
    'status',
    'norm',
    'key',
    'salt',
  ];
  if (pairs.some((pair) => pair.length !== 2 || !known.includes(pair[0] ?? ''))) return undefined;
  if (!pairs.some(([name]) => name === 'login')) return undefined;
  return (record) => {
    const fields = pairs.flatMap(([name = '', column = '']) => {
      const value = first(record[column]);
      return value === undefined ? [] : [[name, String(value)]];
    });
    const { salt, ...rest } = Object.fromEntries(fields);
    const row = salt === undefined ? rest : { ...rest, salt: { utf8: salt } };
    if (row.login === undefined) return { code: 'E_FIELD_MISSING', field: 'login' };
    return { row: { ...row, hash: row.hash ?? null } };
  };
};
