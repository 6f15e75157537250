/** A CA of the test's own, as `floodgate certs` makes it, and certificates that no operator would ask for. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Test = { teardown(fn: () => unknown): void };
type Pair = { cert: string; key: string };
type Usage = 'server' | 'client';
type Wanted = { name: string; uri: string; hosts: string[]; usage: Usage };
type Tools = {
  makeCa(): Promise<Pair>;
  issue(ca: Pair, wanted: Wanted, now?: number): Promise<Pair>;
};
export type Files = { certFile: string; keyFile: string; caFile: string };
export type Authority = Awaited<ReturnType<typeof makeAuthority>>;

const toolsUrl = new URL('../../ops/certs-issue.mjs', import.meta.url).href;

export const makeAuthority = async (t: Test) => {
  const { makeCa, issue }: Tools = await import(toolsUrl);
  const dir = mkdtempSync(join(tmpdir(), 'fg-certs-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  let ca = await makeCa();
  const caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, ca.cert);

  /** In one step, as a reader sees it. */
  const put = (path: string, text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };

  /** Makes the pair, or makes it anew, as if at `now`. */
  const make = async (file: string, uri: string, usage: Usage, now?: number): Promise<Files> => {
    const pair = await issue(ca, { name: file, uri, hosts: [], usage }, now);
    const paths = {
      certFile: join(dir, `${file}.cert`),
      keyFile: join(dir, `${file}.key`),
      caFile,
    };
    put(paths.keyFile, pair.key);
    put(paths.certFile, pair.cert);
    return paths;
  };

  /** The next pairs are of a new CA; whom to trust, `trust` says. */
  const changeCa = async (): Promise<{ before: Pair; after: Pair }> => {
    const before = ca;
    ca = await makeCa();
    return { before, after: ca };
  };

  return {
    dir,
    ca,
    changeCa,
    trust: (...cas: Pair[]) => put(caFile, cas.map(({ cert }) => cert).join('')),
    caFile,
    make,
    gateway: () => make('gateway', 'floodgate://gateway', 'client'),
    node: (name: string, usage: Usage = 'server', now?: number) =>
      make(`node-${name}`, `floodgate://node/${name}`, usage, now),
  };
};

/** As settings of a program. */
export const settingsOf = ({ certFile, keyFile, caFile }: Files): Record<string, string> => ({
  NODE_TLS_CERT_FILE: certFile,
  NODE_TLS_KEY_FILE: keyFile,
  NODE_TLS_CA_FILE: caFile,
});
