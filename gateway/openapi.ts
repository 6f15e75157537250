/**
 * The public API as an OpenAPI 3.1 document, made from the table of calls and the table of errors.
 * `describeApi` holds the calls against the routes that are really served, both ways, so that neither
 * can have what the other lacks.
 */
import { type ErrorCode, errors } from '../shared/errors.js';
import type { Route } from '../shared/http.js';
import {
  type Answer,
  always,
  type Call,
  calls,
  object,
  type Schema,
  text,
} from './openapi-calls.js';
import { cookieName } from './sessions/cookie.js';

const errorSchema = (codes: readonly ErrorCode[]): Schema => ({
  ...object({ error: { type: 'string', enum: codes }, error_description: text, request_id: text }),
  description: codes.map((code) => `${code}: ${errors[code].text}`).join('\n'),
});

const json = (schema: Schema) => ({ 'application/json': { schema } });

const errorAnswers = (codes: readonly ErrorCode[]) => {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status: of } = errors[code];
    byStatus.set(of, [...(byStatus.get(of) ?? []), code]);
  }
  return [...byStatus].map(([of, found]) => [
    String(of),
    { description: found.join(', '), content: json(errorSchema(found)) },
  ]);
};

const okAnswer = ({ text: description, schema, headers = [] }: Answer) => ({
  description,
  ...(schema && { content: json(schema) }),
  ...(headers.length > 0 && {
    headers: Object.fromEntries(headers.map((name) => [name, { schema: text }])),
  }),
});

const describeCall = (call: Call, path: string) => {
  const { summary, body, form, query = {}, security, ok } = call;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      ...{ name, in: 'path', required: true, schema: text },
    })),
    ...Object.entries(query).map(([name, schema]) => ({ name, in: 'query', schema })),
  ];
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const mine = Object.entries(ok).map(([code, answer]) => [code, okAnswer(answer)]);
  return {
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: { [type]: { schema: object(body) } } } }),
    ...(security && { security: security.map((name) => (name === 'none' ? {} : { [name]: [] })) }),
    responses: Object.fromEntries([...errorAnswers([...always, ...call.errors]), ...mine]),
  };
};

/** The name of a route in the table. Behind an issuer's path the metadata stand a second time. */
const keyOf = ({ method, path, prefix }: Route): string => {
  if (path.startsWith('/.well-known/oauth-authorization-server'))
    return `${method} /.well-known/oauth-authorization-server`;
  return prefix && method !== '*' ? `${method} ${path}/{id}` : `${method} ${path}`;
};

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
  cookie: { type: 'apiKey', in: 'cookie', name: cookieName },
  client: { type: 'http', scheme: 'basic' },
};

/** The document for these routes and its own. Throws an Error when table and routes differ. */
export const describeApi = (issuer: string, routes: readonly Route[]): object => {
  const served = new Set(['GET /openapi.json', ...routes.map(keyOf)]);
  const differing = [
    ...[...served].filter((key) => calls[key] === undefined),
    ...Object.keys(calls).filter((key) => !served.has(key)),
  ];
  if (differing.length > 0)
    throw new Error(`not described, or not served: ${differing.join(', ')}`);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [key, call] of Object.entries(calls)) {
    const [method = '', path = ''] = key.split(' ');
    const at = path === '/v1/require' ? '/v1/require/{demands}' : path;
    const methods = method === '*' ? ['get', 'post'] : [method.toLowerCase()];
    paths[at] = {
      ...paths[at],
      ...Object.fromEntries(methods.map((name) => [name, describeCall(call, at)])),
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Floodgate', version: '1', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: issuer }],
    paths,
    components: { securitySchemes },
  };
};
