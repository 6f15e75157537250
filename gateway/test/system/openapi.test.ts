/** The OpenAPI document is what the running gateway does: every call, every error, every field. */
import t, { type Test } from 'tap';
import { errors } from '../../../shared/errors.js';
import { type Fleet, password, startFleet } from './fleet.js';

type Schema = {
  type?: string;
  enum?: string[];
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
};
type Content = { content?: Record<string, { schema: Schema }> };
type Operation = { responses: Record<string, Content>; requestBody?: Content };
type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };
type Answer = { status: number; body: unknown };

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is wrong with `value`; nothing when it is as the schema says, without a field too many. */
const problemsOf = (value: unknown, schema: Schema, at = 'body'): string[] => {
  if (schema.anyOf) {
    const found = schema.anyOf.map((one) => problemsOf(value, one, at));
    return found.some((problems) => problems.length === 0) ? [] : found.flat();
  }
  if (schema.enum && !schema.enum.includes(String(value))) return [`${at}: ${String(value)}`];
  if (schema.type === 'array')
    return Array.isArray(value)
      ? value.flatMap((item) => problemsOf(item, schema.items ?? {}, `${at}[]`))
      : [`${at} is no array`];
  if (schema.type === 'integer') return Number.isInteger(value) ? [] : [`${at} is no integer`];
  if (schema.type !== 'object')
    return typeof value === schema.type ? [] : [`${at} is no ${schema.type}`];
  if (!isObject(value)) return [`${at} is no object`];
  const { properties, required = [] } = schema;
  if (properties === undefined) return [];
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, field]) => {
      const its = properties[name];
      return its ? problemsOf(field, its, `${at}.${name}`) : [`${at}.${name} is not described`];
    }),
  ];
};

const readDocument = async (fleet: Fleet): Promise<Document> => {
  const answer = await fetch(`${fleet.base}/openapi.json`);
  return (await answer.json()) as Document;
};

const createJudge = (t: Test, document: Document) => {
  const seen = new Set<string>();
  const judge = (method: string, path: string, { status, body }: Answer) => {
    const name = `${method} ${path} ${status}`;
    const answer = document.paths[path]?.[method]?.responses[status];
    seen.add(`${method} ${path}`);
    if (answer === undefined) return t.fail(`${name} is not described`);
    const schema = answer.content?.['application/json']?.schema;
    return t.same(schema ? problemsOf(body, schema) : [], [], name);
  };
  return { judge, seen };
};

const fleet = await startFleet(t);
const document = await readDocument(fleet);

t.test('answers are as the document says', async (t) => {
  t.match(document.openapi, /^3\.1\./);
  const { judge, seen } = createJudge(t, document);

  const ask = async (
    method: string,
    path: string,
    given: { body?: unknown; form?: string; token?: string; at?: string } = {},
  ): Promise<Record<string, unknown>> => {
    const { body, form, token, at = path } = given;
    const headers = {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    };
    const init = { method: method.toUpperCase(), headers };
    const sent = form ?? (body === undefined ? undefined : JSON.stringify(body));
    const answer = await fetch(
      `${fleet.base}${at}`,
      sent === undefined ? init : { ...init, body: sent },
    );
    const read = await answer.text();
    const parsed: unknown = read === '' ? undefined : JSON.parse(read);
    judge(method, path, { status: answer.status, body: parsed });
    return isObject(parsed) ? parsed : {};
  };

  const account = { username: 'api-reader', password };
  await ask('post', '/v1/users', { body: account });
  await ask('post', '/v1/users', { body: account });
  await ask('post', '/v1/users', { body: { username: 'x' } });
  await ask('post', '/v1/login', { body: { ...account, password: 'not the password' } });
  await ask('post', '/v1/login', { body: { ...account, scope: 'more' } });
  const signedIn = await ask('post', '/v1/login', { body: account });
  const token = String(signedIn.access_token);
  await ask('get', '/v1/verify', { token });
  await ask('get', '/v1/verify');
  await ask('post', '/v1/verify', { token: 'ey.no.token' });
  await ask('get', '/v1/verify', { token, at: '/v1/verify?scope=more' });
  await ask('get', '/v1/require/{demands}', { token, at: '/v1/require/scope=account/x' });
  await ask('post', '/v1/require/{demands}', { token, at: '/v1/require/client=other' });
  await ask('get', '/v1/sessions', { token });
  await ask('delete', '/v1/sessions', { token, at: '/v1/sessions?keep=current' });
  await ask('delete', '/v1/sessions/{id}', { token, at: '/v1/sessions/nobody' });
  const fresh = await ask('post', '/v1/refresh', {
    body: { refresh_token: signedIn.refresh_token },
  });
  await ask('post', '/v1/refresh', { body: { refresh_token: 'none' } });
  const changed = await ask('post', '/v1/password', {
    token: String(fresh.access_token),
    body: { current_password: password, new_password: `${password}-new` },
  });
  await ask('post', '/oauth/token', { form: 'grant_type=password' });
  const { refresh_token: left } = changed;
  await ask('post', '/oauth/token', {
    form: `grant_type=refresh_token&client_id=floodgate&refresh_token=${String(left)}`,
  });
  await ask('post', '/oauth/introspect', { form: 'token=x' });
  await ask('post', '/oauth/revoke', { form: 'token=x&client_id=floodgate' });
  await ask('post', '/v1/logout', { token: String(changed.access_token) });
  for (const path of [
    ...['/.well-known/jwks.json', '/.well-known/oauth-authorization-server'],
    ...['/openapi.json', '/healthz', '/readyz'],
  ])
    await ask('get', path);

  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  t.same(
    described.filter((call) => !seen.has(call)),
    [],
    'every call was made',
  );
});

/** Of the admin port, and between gateway and nodes. */
const elsewhere = [
  'not_authenticated',
  'key_missing',
  'library_missing',
  'thread_lost',
  'campaign_conflict',
];

t.test('every error that there is belongs to a call', async (t) => {
  const schemas = Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .flatMap(({ responses }) => Object.values(responses))
    .flatMap(({ content }) => Object.values(content ?? {}));
  const described = new Set(schemas.flatMap(({ schema }) => schema.properties?.error?.enum ?? []));
  t.same(
    Object.keys(errors).filter((code) => !described.has(code) && !elsewhere.includes(code)),
    [],
  );
});
