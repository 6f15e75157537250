/**
 * Which user store the settings mean, in a few letters for the registry: a node that looks elsewhere than the
 * others would say of everybody that the password is wrong.
 */
import { createHash } from 'node:crypto';
import { parsePostgresUrl } from './postgres-url.js';
import type { CredentialsSettings } from './settings.js';

/** What decides which record is meant; hosts and users may be written differently on each machine. */
const meaningOf = ({ url, table: mapped }: CredentialsSettings): unknown[] => {
  if (url === undefined) return ['redis'];
  const { database } = parsePostgresUrl(url);
  if (mapped === undefined) return ['postgres', database, 'own'];
  const { table, id, login, hash, isLower } = mapped;
  return ['postgres', database, 'table', table, id, login, hash, isLower];
};

/**
 * The same on nodes that may run beside each other. How a row is read (format, status, version, keys) is not in
 * it: that may change node by node.
 */
export const fingerprintStore = (settings: CredentialsSettings): string =>
  createHash('sha256')
    .update(JSON.stringify(meaningOf(settings)))
    .digest('hex')
    .slice(0, 16);
