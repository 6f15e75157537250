/**
 * A real PostgreSQL of the test's own, from Debian's packages, on a free port of 127.0.0.1 with its
 * data in a temporary directory; it does not run as root. It can be stopped in any way and started
 * again on its data.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client, type QueryResultRow } from 'pg';

type Test = { teardown(fn: () => unknown): void };
export type TestPostgres = Awaited<ReturnType<typeof startPostgres>>;

const packages = '/usr/lib/postgresql';
const patienceMs = 60_000;

const findBin = (): string | undefined => {
  if (!existsSync(packages)) return undefined;
  const dirs = readdirSync(packages).map((name) => join(packages, name, 'bin'));
  return dirs.find((dir) => existsSync(join(dir, 'initdb')) && existsSync(join(dir, 'postgres')));
};

/** Why the tests cannot run here; false when they can. In CI they must. */
export const noPostgres =
  findBin() === undefined && !process.env.CI ? 'PostgreSQL is not installed' : false;

/** Root must not run it: then it runs as the user of Debian's package. */
const findUser = (): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {};
  const [, uid, gid] =
    /^postgres:[^:]*:(\d+):(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? [];
  return { uid: Number(uid), gid: Number(gid) };
};

const findPort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

/** `standbyOf`: a hot standby of that server, streaming from it. */
export const startPostgres = async (t: Test, { standbyOf }: { standbyOf?: string } = {}) => {
  const bin = findBin();
  if (bin === undefined) throw new Error('PostgreSQL is not installed: apt-get install postgresql');
  const user = findUser();
  const dir = mkdtempSync(join(tmpdir(), 'fg-postgres-'));
  if (user.uid !== undefined) chownSync(dir, user.uid, user.gid ?? user.uid);
  const port = await findPort();
  const data = join(dir, 'data');
  let child: ChildProcess | undefined;
  let gone: Promise<unknown> = Promise.resolve();

  const stop = async (signal: NodeJS.Signals = 'SIGINT') => {
    child?.kill('SIGCONT');
    child?.kill(signal);
    await gone;
  };
  // Also when a test gives up without its teardown.
  process.once('exit', () => child?.kill('SIGQUIT'));
  t.teardown(async () => {
    await stop('SIGQUIT');
    rmSync(dir, { recursive: true, force: true });
  });

  const url = `postgres://floodgate:x@127.0.0.1:${port}/postgres`;
  /** A statement on a connection of its own. */
  const ask = async <R extends QueryResultRow = Record<string, string>>(
    text: string,
    values: unknown[] = [],
  ): Promise<R[]> => {
    const client = new Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query<R>(text, values)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  };

  const start = async () => {
    const settings = ['fsync=off', 'max_connections=60', `unix_socket_directories=${dir}`];
    const args = settings.flatMap((setting) => ['-c', setting]);
    child = spawn(
      join(bin, 'postgres'),
      ['-D', data, '-h', '127.0.0.1', '-p', `${port}`, ...args],
      {
        ...user,
        cwd: dir,
        stdio: 'ignore',
      },
    );
    gone = new Promise((resolve) => child?.once('exit', resolve));
    for (const end = Date.now() + patienceMs; ; await sleep(50)) {
      if ((await ask('SELECT 1').catch(() => [])).length > 0) return;
      if (Date.now() > end) throw new Error('PostgreSQL does not start');
    }
  };

  const initdb = ['-D', data, '-U', 'floodgate', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C'];
  const copy = ['-d', standbyOf ?? '', '-D', data, '-R', '-c', 'fast', '-N', '-X', 'stream'];
  const [program, args] = standbyOf === undefined ? ['initdb', initdb] : ['pg_basebackup', copy];
  await promisify(execFile)(join(bin, program), args, { ...user, cwd: dir });
  await start();
  /** A child that served a connection may end at any moment. */
  const signalIfThere = (pid: number, signal: NodeJS.Signals) => {
    try {
      process.kill(pid, signal);
    } catch (error) {
      const isGone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
      if (!isGone) throw error;
    }
  };
  /** All processes of the server, as a machine that hangs. */
  const signalAll = (signal: NodeJS.Signals) => {
    const main = String(child?.pid);
    const children = readFileSync(`/proc/${main}/task/${main}/children`, 'utf8').trim().split(' ');
    for (const pid of [main, ...children]) signalIfThere(Number(pid), signal);
  };
  /** With a certificate for 127.0.0.1 from now on, also trusted as its own CA; its file. */
  const useTls = async (): Promise<string> => {
    const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
    await promisify(execFile)(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-days', '2', '-subj', '/CN=pg.test', '-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', key, '-out', cert],
      ],
      user,
    );
    await ask(`ALTER SYSTEM SET ssl_cert_file = '${cert}'`);
    await ask(`ALTER SYSTEM SET ssl_key_file = '${key}'`);
    await ask('ALTER SYSTEM SET ssl = on');
    await ask('SELECT pg_reload_conf()');
    return cert;
  };
  return { url, port, ask, stop, start, signalAll, useTls };
};
