/**
 * pm2: `npm run build && npx pm2 start ecosystem.config.js`. The same programs, secrets and Redis as
 * `npm start`, each under pm2's own care. Fork mode throughout: the gateway forks its edges itself, and
 * a node is kept by a process of its own, so that SIGHUP replaces both without a gap. Secrets go by
 * file name, so none of them is in pm2's dump; one that is given by value is, with all of the environment.
 *
 * - `wait_ready`: pm2 goes on to the next one only when a program has said that it serves.
 * - `kill_timeout`: longer than the program's own budget for draining.
 * - `treekill: false`: only the program gets the signal; it tells its children itself.
 * - `exp_backoff_restart_delay`: a growing pause, and no giving up.
 */
import { preparePaths, projectRoot } from './ops/paths.mjs';
import { explain, Refusal } from './ops/refusal.mjs';
import { hasOwnRedis, initSecrets } from './ops/secrets.mjs';
import { gatewaySettings, readSettings, workerSettings } from './ops/settings.mjs';

/** pm2 prints the stack of what is thrown here, so there is only what to do in it. */
const prepare = () => {
  try {
    const paths = preparePaths(process.env);
    initSecrets(paths);
    return { paths, nodes: readSettings(process.env).nodes };
  } catch (error) {
    const refusal = new Refusal(explain(error));
    refusal.stack = refusal.message;
    throw refusal;
  }
};

const { paths, nodes } = prepare();

const common = {
  cwd: projectRoot,
  exec_mode: 'fork',
  wait_ready: true,
  treekill: false,
  exp_backoff_restart_delay: 100,
  pmx: false,
  vizion: false,
  disable_source_map_support: true,
};

const redis = {
  ...common,
  name: 'floodgate-redis',
  script: 'ops/redis-app.mjs',
  listen_timeout: 60_000,
  kill_timeout: 50_000,
  env: { DATA_DIR: paths.dataDir },
};

const node = {
  ...common,
  name: 'floodgate-node',
  script: 'ops/node-app.mjs',
  instances: nodes,
  instance_var: 'NODE_APP_INSTANCE',
  listen_timeout: 20_000,
  kill_timeout: 15_000,
  env: { DATA_DIR: paths.dataDir, ...workerSettings(paths, process.env) },
};

const gateway = {
  ...common,
  name: 'floodgate-gateway',
  script: 'dist/gateway/main.js',
  listen_timeout: 20_000,
  kill_timeout: 45_000,
  env: { DATA_DIR: paths.dataDir, ...gatewaySettings(paths, process.env) },
};

export const apps = hasOwnRedis(paths, process.env) ? [node, gateway] : [redis, node, gateway];
