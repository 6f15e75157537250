/** GET /openapi.json: the public API as a document, for people and generators. */
import type { Route } from '../../shared/http.js';
import { describeApi } from '../openapi.js';

/** `routes`: all others. Throws an Error when one of them is not described. */
export const createOpenapi = (issuer: string, routes: readonly Route[]): Route => {
  // Made once: it has 90 KB.
  const text = JSON.stringify(describeApi(issuer, routes));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'public, max-age=300',
  };
  return {
    method: 'GET',
    path: '/openapi.json',
    body: 'none',
    handle: () => ({ status: 200, headers, text }),
  };
};
