/**
 * Where edges on this host reach the node: a unix socket in RUNTIME_DIR, which is ours alone (mode
 * 0700, owner checked). `dir_id` in it says which directory this is, because a path alone may name
 * another one in another container. The socket's name carries the boot, so that a new process never
 * shares one with its predecessor; sockets that a dead predecessor left are removed.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { systemCodeOf } from '../shared/describe-error.js';
import { newId } from '../shared/new-id.js';

export type SocketEndpoint = { path: string; dirId: string };

/** Node cuts longer paths off without a word. */
const maxPathBytes = 107;

const ownUid = (): number | undefined => process.getuid?.();

/** Throws an Error that says what to do when the directory is not private. */
const openDirectory = (dir: string) => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const stat = lstatSync(dir);
  const isOurs = stat.isDirectory() && (ownUid() === undefined || stat.uid === ownUid());
  if (!isOurs || (stat.mode & 0o077) !== 0)
    throw new Error(`RUNTIME_DIR ${dir} must be a directory of this user with mode 0700.`);
};

/** The id is written once: a temporary file, linked to its name; the loser reads the winner's. */
const readDirId = (dir: string): string => {
  const path = join(dir, 'dir_id');
  const draft = join(dir, `.dir_id-${randomBytes(8).toString('hex')}`);
  writeFileSync(draft, newId(), { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  return readFileSync(path, 'utf8').trim();
};

const isDead = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => resolve(false));
    socket.on('error', (error) => resolve(systemCodeOf(error) === 'ECONNREFUSED'));
    socket.on('connect', () => socket.destroy());
  });

/** Removes what earlier processes of this node left, unless somebody still listens there. */
const removeStale = async (dir: string, prefix: string): Promise<void> => {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (!name.startsWith(prefix) || !name.endsWith('.sock') || !(await isDead(path))) continue;
    try {
      unlinkSync(path);
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error;
    }
  }
};

/** A fresh path for this boot of the node; nothing listens on it yet. */
export const openEndpoint = async (options: {
  dir: string;
  nodeId: string;
  bootId: string;
}): Promise<SocketEndpoint> => {
  const { dir, nodeId, bootId } = options;
  openDirectory(dir);
  const node = createHash('sha256').update(nodeId).digest('hex').slice(0, 12);
  const path = join(dir, `n-${node}-${bootId.slice(0, 8)}.sock`);
  if (Buffer.byteLength(path) > maxPathBytes)
    throw new Error(`RUNTIME_DIR is too long: a socket path may have ${maxPathBytes} bytes.`);
  await removeStale(dir, `n-${node}-`);
  return { path, dirId: readDirId(dir) };
};
