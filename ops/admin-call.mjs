/**
 * Calls to the admin port for the commands: where it is and the token come from the same settings as
 * the gateway's (ADMIN_URL overrides for a gateway elsewhere). Every failure is a Refusal that says
 * what to do; a certificate of one's own goes by Node's NODE_EXTRA_CA_CERTS.
 */
import { urlHost } from './banner.mjs';
import { codeOf } from './files.mjs';
import { dataPaths } from './paths.mjs';
import { Refusal } from './refusal.mjs';
import { readAdminToken } from './secrets.mjs';
import { readSettings } from './settings.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {ReturnType<typeof createAdminCall>} AdminCall */

/** A revoked key takes two seconds until its successor signs everywhere, an RSA key as many to make. */
const defaultTimeoutMs = 15_000;

/** @param {Env} env */
const adminUrl = (env) => {
  if (env.ADMIN_URL) return env.ADMIN_URL.replace(/\/$/, '');
  const { hasTls, adminHost, adminPort } = readSettings(env);
  return `${hasTls ? 'https' : 'http'}://${urlHost(adminHost)}:${adminPort}`;
};

/** @param {unknown} value */
const textOf = (value) => (typeof value === 'string' ? value : '');

/** @param {string} url @param {string} path @param {number} status @param {Record<string, unknown>} body */
const explain = (url, path, status, body) => {
  if (status === 401)
    return `${url} does not take this ADMIN_TOKEN: is it the one of that gateway?`;
  if (status === 404 && path.startsWith('/nodes'))
    return 'No such node. `floodgate nodes` lists them.';
  if (status === 404 && path.startsWith('/clients'))
    return 'No such client. `floodgate clients list` shows them.';
  if (status === 404 && path.startsWith('/users')) return 'No such user.';
  return `The admin port answered ${status}: ${textOf(body.error_description) || textOf(body.error)}`;
};

/** An answer that is not 2xx; what is known of it besides the text. */
export class AdminError extends Refusal {
  /** @param {string} message @param {number} status 0: there was no answer */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Calls with the address and the token looked up once: for commands that make many.
 * @param {Env} env
 * @param {number} [timeoutMs]
 */
export const createAdminCall = (env, timeoutMs = defaultTimeoutMs) => {
  const url = adminUrl(env);
  const authorization = `Bearer ${readAdminToken(dataPaths(env), env)}`;
  /**
   * The body of a 2xx answer. Throws AdminError.
   * @param {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
   * @param {string} path
   * @param {object | string} [content] an object is sent as JSON, a text as lines of it
   * @returns {Promise<Record<string, any>>}
   */
  return async (method, path, content) => {
    const isLines = typeof content === 'string';
    const type = isLines ? 'application/x-ndjson' : 'application/json';
    const headers = { authorization, ...(content === undefined ? {} : { 'content-type': type }) };
    const body = content === undefined ? null : isLines ? content : JSON.stringify(content);
    const signal = AbortSignal.timeout(timeoutMs);
    /** @param {Error} error @returns {never} */
    const fail = (error) => {
      const reason = error.cause instanceof Error ? codeOf(error.cause) : error.name;
      if (/CERT|SIGN/.test(reason))
        throw new AdminError(
          `The certificate of the admin port at ${url} is not to be trusted (${reason}). Set ADMIN_URL to ` +
            'https://NAME:PORT with a name that is in it, and NODE_EXTRA_CA_CERTS to the file of your own CA.',
          0,
        );
      throw new AdminError(
        `No answer from the admin port at ${url} (${reason}). Is the gateway running? ` +
          'Set ADMIN_URL, or ADMIN_HOST and ADMIN_PORT, to where it listens.',
        0,
      );
    };
    const response = await fetch(url + path, { method, headers, body, signal }).catch(fail);
    // A good answer that breaks off is none: what it said may be that there is more.
    const text = await response.text().catch(response.ok ? fail : () => '');
    const answer = text.startsWith('{') ? JSON.parse(text) : {};
    if (response.ok) return answer;
    throw new AdminError(explain(url, path, response.status, answer), response.status);
  };
};

/**
 * The body of a 2xx answer.
 * @param {Env} env
 * @param {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
 * @param {string} path
 * @param {object} [content] sent as JSON
 * @returns {Promise<any>} whatever the route answers
 */
export const callAdmin = (env, method, path, content) =>
  createAdminCall(env)(method, path, content);
