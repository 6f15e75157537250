/**
 * An admin port with the real routes over one real node, and the real command that calls it: what the
 * admin child does without a fleet around it. The node is asked directly, in place of a choice of nodes.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCampaignRoutes } from '../../gateway/admin/routes/campaigns.js';
import { createImportRoute } from '../../gateway/admin/routes/users-import.js';
import { createBatch } from '../../gateway/import/batch.js';
import { createClaims } from '../../gateway/import/claims.js';
import { createSendRows } from '../../gateway/import/send-rows.js';
import { createAccounts } from '../../gateway/username.js';
import { AppError } from '../../shared/errors.js';
import { serveRoutes } from '../../shared/test/serve-routes.js';
import { makeDir, plainNode, realRoot } from './project.mjs';

const accounts = createAccounts(Buffer.alloc(32));
const linesType = 'application/x-ndjson';

/** Until the node has decided: a busy machine may refuse. */
const ask = async (node, method, path, text, sent) => {
  for (;;) {
    const { status, body } = await node.send(method, path, text, sent);
    if (status === 200) return body;
    if (status !== 503) throw new AppError(body.error);
    await sleep(20);
  }
};

/** `secret`: what the admin child takes from NODE_SECRET for an import. */
export const openAdminPort = async (t, { node, redis, secret = 'a secret of the tests' }) => {
  const errand = (path, lines) => {
    const body = lines.map((line) => JSON.stringify(line)).join('\n');
    return ask(node, 'POST', path, body, { type: linesType });
  };
  const call = (_, method, path, body) =>
    ask(node, method, path, body === undefined ? '' : JSON.stringify(body));
  const sendRows = createSendRows({ claims: createClaims({ redis }), errand });
  const batch = createBatch({ accounts, sendRows, secret });
  const nodes = { snapshot: () => [{ id: 'a', draining: false }], call };
  const routes = [
    createImportRoute({ batch, defaultScopes: 'account' }),
    ...createCampaignRoutes({ nodes }),
  ];
  const { port } = await serveRoutes(t, { routes });
  const env = {
    PATH: process.env.PATH,
    DATA_DIR: join(makeDir(t), 'data'),
    ADMIN_TOKEN: 'a-token-of-the-tests',
    ADMIN_URL: `http://127.0.0.1:${port}`,
  };

  /** What `floodgate` prints and how it ends, as one text. */
  const floodgate = (...args) =>
    new Promise((resolve) => {
      const [file, argv] = plainNode(join(realRoot, 'ops/floodgate.mjs'), ...args);
      const child = spawn(file, argv, { env });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (data) => {
          text += data;
        });
      child.once('close', (code) => resolve(`${code} ${text}`));
    });
  return { floodgate };
};

export { accounts };
