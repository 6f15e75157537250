/** GET /openapi.json: the public API as a document, for people and generators. */
import type { Route } from '../../shared/http.js';
import { describeApi } from '../openapi.js';

/** `routes`: all others. Throws an Error when one of them is not described. */
export const createOpenapi = (issuer: string, routes: readonly Route[]): Route => {
  const body = describeApi(issuer, routes);
  return {
    method: 'GET',
    path: '/openapi.json',
    body: 'none',
    handle: () => ({ status: 200, headers: { 'cache-control': 'public, max-age=300' }, body }),
  };
};
