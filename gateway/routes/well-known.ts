/** What others may read of us: public keys (RFC 7517), liveness, readiness. */
import type { Route } from '../../shared/http.js';

export const createWellKnown = ({
  jwks,
  isStopping,
}: {
  jwks: () => object;
  /** The whole gateway stops; one reloading edge does not count. */
  isStopping: () => boolean;
}): Route[] => [
  {
    method: 'GET',
    path: '/.well-known/jwks.json',
    body: 'none',
    handle: () => ({
      status: 200,
      headers: { 'cache-control': 'public, max-age=300' },
      body: jwks(),
    }),
  },
  {
    method: 'GET',
    path: '/healthz',
    body: 'none',
    handle: () => ({ status: 200, body: { status: 'ok' } }),
  },
  {
    // An edge listens only after its first full start, so answering at all means ready.
    method: 'GET',
    path: '/readyz',
    body: 'none',
    handle: () =>
      isStopping()
        ? { status: 503, headers: { 'retry-after': '1' }, body: { status: 'stopping' } }
        : { status: 200, body: { status: 'ready' } },
  },
];
