/**
 * GET /.well-known/oauth-authorization-server (RFC 8414): where the endpoints are and what they take.
 * The issuer is the configured one to the letter, because clients compare it so.
 */
import type { Route } from '../../shared/http.js';
import { authMethods, clientGrants } from '../clients/record.js';

const wellKnown = '/.well-known/oauth-authorization-server';
const assertionAlgs = ['EdDSA', 'Ed25519', 'ES256', 'RS256'];

/** Absolute addresses below the issuer, whatever its spelling. */
export const endpointsOf = (issuer: string) => {
  const base = issuer.replace(/\/$/, '');
  return {
    token: `${base}/oauth/token`,
    introspect: `${base}/oauth/introspect`,
    revoke: `${base}/oauth/revoke`,
    jwks: `${base}/.well-known/jwks.json`,
  };
};

/** RFC 8414 § 3.1: the path of an issuer goes behind the well-known one. */
const pathsOf = (issuer: string): string[] => {
  const { pathname } = URL.canParse(issuer) ? new URL(issuer) : { pathname: '/' };
  const path = pathname.replace(/\/$/, '');
  return path === '' ? [wellKnown] : [wellKnown, wellKnown + path];
};

export const createMetadata = ({ issuer }: { issuer: string }): Route[] => {
  const { token, introspect, revoke, jwks } = endpointsOf(issuer);
  const body = {
    issuer,
    jwks_uri: jwks,
    token_endpoint: token,
    token_endpoint_auth_methods_supported: [...authMethods, 'none'],
    token_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    introspection_endpoint: introspect,
    introspection_endpoint_auth_methods_supported: authMethods,
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    revocation_endpoint: revoke,
    revocation_endpoint_auth_methods_supported: [...authMethods, 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgs,
    grant_types_supported: clientGrants,
    // There is no authorization endpoint, and the list is required.
    response_types_supported: [],
  };
  return pathsOf(issuer).map((path) => ({
    method: 'GET',
    path,
    body: 'none',
    handle: () => ({ status: 200, headers: { 'cache-control': 'public, max-age=300' }, body }),
  }));
};
