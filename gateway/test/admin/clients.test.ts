/** The calls for OAuth clients over a real Redis, where what they tell the edges can be seen and fails. */
import t from 'tap';
import { AppError } from '../../../shared/errors.js';
import { createHttp } from '../../../shared/http.js';
import { listen } from '../../../shared/listen.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createClientRoutes } from '../../admin/routes/clients.js';
import { createRegistry } from '../../clients/registry.js';
import type { Revocation } from '../../tokens/revocations.js';
import { send } from '../request.js';
import { openClient } from '../store.js';

const log = { error: () => {}, warn: () => {} };

t.test(
  'a client whose removal failed, and that is enabled again, has tokens that live',
  async (t) => {
    const redis = await openClient(t, await startRedis(t));
    const registry = createRegistry({ redis });
    const published: Revocation[] = [];
    let isLost = false;
    const publish = async (entry: Revocation) => {
      published.push(entry);
      if (isLost) throw new AppError('store_unavailable');
    };
    const { server, stop } = createHttp({ routes: createClientRoutes({ registry, publish }), log });
    t.teardown(() => stop(0));
    const port = await listen(server, { host: '127.0.0.1', port: 0, setting: 'PORT' });
    const call = async (method: string, path: string, content?: object) => {
      const headers = { host: 'x', 'content-type': 'application/json' };
      const body = content === undefined ? {} : { body: JSON.stringify(content) };
      const { status, text } = await send(port, path, { method, headers, ...body });
      return { status, body: text === '' ? {} : JSON.parse(text) };
    };

    const { body: made } = await call('POST', '/clients', { name: 'a service' });
    const path = `/clients/${made.client_id}`;
    t.equal((await call('PATCH', `${path}/rotate`, { name: 'b' })).status, 404, 'no such action');
    isLost = true;
    t.equal((await call('DELETE', path)).status, 503);
    t.match(
      await registry.find(made.client_id),
      { status: 'disabled' },
      'still there, and shut out',
    );
    isLost = false;
    t.equal((await call('PATCH', path, { status: 'active' })).status, 200);
    const { gen } = (await registry.find(made.client_id)) ?? { gen: 0 };
    t.match(
      published,
      [{ kind: 'user', id: made.client_id, gen }],
      'what is issued now is not dead',
    );
    t.equal((await call('DELETE', path)).status, 204);
    t.match(published[1], { gen: gen + 1 });
    t.equal((await call('DELETE', path)).status, 404);
  },
);
