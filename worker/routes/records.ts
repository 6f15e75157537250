/**
 * Records for the admin port, one or page by page: POST /credentials/scan (for an export; hashes only
 * when it says so), /credentials/show, scopes, status and remove. One line in the body.
 * All but the hash may be repeated and say the same again.
 */
import { AppError } from '../../shared/errors.js';
import { invalidField, readFields, readOneOf } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import { linesOf, parseLine } from '../../shared/lines.js';
import { statuses } from '../../shared/status.js';
import { checkAccountKey, checkName, checkScopes, checkUserId } from '../attempt.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import { noPassword, readLack, type Target } from '../passwords/formats/format.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import type { Policy } from '../passwords/policy.js';

const pageRows = 500;

type Ask = (fields: Record<string, unknown>) => Promise<object>;

/** What a record is, without its hash. */
const describe = (u: string, credential: Credential, target: Target): object => {
  const { userId, name, hash: stored, norm, scopes, isActive, version } = credential;
  const hash = readHash(stored);
  const about = isUsable(hash)
    ? { format: hash.format, class: hash.securityClass, outdated: hash.needsRehash(target) }
    : { format: stored === noPassword ? 'none' : hash };
  const status = isActive ? 'active' : 'disabled';
  return { u, user_id: userId, name, status, scopes, norm, version, ...about };
};

/** For an export: what cannot be read here is as it stands there. */
const hashOf = ({ hash, stored }: Credential): string | null => {
  if (hash === noPassword) return null;
  return readLack(hash) === undefined ? hash : (stored ?? hash);
};

export const createRecordRoutes = ({
  credentials,
  policy: { target },
}: {
  credentials: Credentials;
  policy: Policy;
}): Route[] => {
  const scan: Ask = async (fields) => {
    const { cursor, hashes } = readFields(fields, { cursor: true, hashes: true });
    if (cursor.length > 1024) throw invalidField('cursor');
    const page = await credentials.scan(cursor, pageRows);
    const rows = page.rows.map(({ u, credential }) => ({
      ...describe(u, credential, target),
      ...(hashes === 'yes' ? { hash: hashOf(credential) } : {}),
    }));
    return { cursor: page.cursor, rows };
  };

  const show: Ask = async (fields) => {
    const { u, name } = readFields(fields, { u: true, name: true });
    const credential = await credentials.find(checkAccountKey(u), checkName(name));
    if (credential === undefined) throw new AppError('not_found');
    return describe(u, credential, target);
  };

  const setScopes: Ask = async (fields) => {
    const { u, scopes } = readFields(fields, { u: true, scopes: true });
    if (!(await credentials.setScopes(checkAccountKey(u), checkScopes(scopes))))
      throw new AppError('not_found');
    return {};
  };

  const setStatus: Ask = async (fields) => {
    const read = readFields(fields, { u: true, user_id: true, status: true });
    const account = { u: checkAccountKey(read.u), userId: checkUserId(read.user_id) };
    await credentials.setStatus(account, readOneOf('status', read.status, statuses));
    return {};
  };

  const remove: Ask = async (fields) => {
    const { u } = readFields(fields, { u: true });
    return { removed: await credentials.remove(checkAccountKey(u)) };
  };

  const asks = { scan, show, scopes: setScopes, status: setStatus, remove };
  return Object.entries(asks).map(([name, ask]) => ({
    method: 'POST',
    path: `/credentials/${name}`,
    body: 'lines',
    handle: async (_, body) => {
      const [line = ''] = linesOf(body);
      return { status: 200, body: await ask(parseLine(line) ?? {}) };
    },
  }));
};
