/**
 * OAuth clients: GET and POST /clients, PATCH and DELETE /clients/{id}, POST /clients/{id}/rotate for a
 * further secret and /settle to leave only the newest. A secret is in the one answer that makes it, and
 * nowhere else. A client that is disabled or removed loses its tokens everywhere at once.
 */
import { AppError } from '../../../shared/errors.js';
import { invalidField, readFields, readOneOf } from '../../../shared/fields.js';
import type { Body, Ctx, Route } from '../../../shared/http.js';
import { isGrantable } from '../../../shared/reserved.js';
import { statuses } from '../../../shared/status.js';
import {
  authMethods,
  type ClientRecord,
  clientGrants,
  introspectRights,
  isClientId,
  readKeys,
  storeKeys,
} from '../../clients/record.js';
import type { ClientRegistry, StoredClient } from '../../clients/registry.js';
import type { Revocation } from '../../tokens/revocations.js';

type Changes = Partial<
  Pick<ClientRecord, 'name' | 'grants' | 'scopes' | 'audience' | 'introspect' | 'status' | 'jwks'>
>;

const isName = (text: string) => /^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u.test(text);
const isAudience = (text: string) => /^[!-~]{0,256}$/.test(text);
const settable = {
  ...{ name: false, grants: false, scopes: false, audience: false, introspect: false },
  status: false,
} as const;

const readText = (field: string, text: string, isGood: (text: string) => boolean): string => {
  if (!isGood(text)) throw invalidField(field);
  return text;
};

const readGrants = (text: string) => {
  const names = text === '' ? [] : text.split(' ');
  return [...new Set(names.map((name) => readOneOf('grants', name, clientGrants)))];
};

/** Only what was said; in the form of the record. */
const readChanges = ({ jwks, ...body }: Body): Changes => {
  const { name, grants, scopes, audience, introspect, status } = readFields(body, settable);
  return {
    ...(name === undefined ? {} : { name: readText('name', name, isName) }),
    ...(grants === undefined ? {} : { grants: readGrants(grants) }),
    ...(scopes === undefined ? {} : { scopes: readText('scopes', scopes, isGrantable) }),
    ...(audience === undefined ? {} : { audience: readText('audience', audience, isAudience) }),
    ...(introspect === undefined
      ? {}
      : { introspect: readOneOf('introspect', introspect, introspectRights) }),
    ...(status === undefined ? {} : { status: readOneOf('status', status, statuses) }),
    ...(jwks === undefined ? {} : { jwks: storeKeys(readKeys(jwks)) }),
  };
};

const show = ({ id, secrets, jwks, gen, created_at, ...rest }: StoredClient) => ({
  client_id: id,
  ...rest,
  grants: rest.grants.join(' '),
  created_at: new Date(created_at).toISOString(),
  secrets: secrets.map((secret) => ({ created_at: new Date(secret.created_at).toISOString() })),
  ...(jwks.length === 0 ? {} : { jwks: { keys: jwks } }),
});

/** The id and what to do, from /clients/{id}[/{action}]; throws not_found. */
const readPath = (path: string): { id: string; action: string } => {
  const [, id = '', action = ''] = /^\/clients\/([\w-]+)(?:\/(rotate|settle))?$/.exec(path) ?? [];
  if (!isClientId(id)) throw new AppError('not_found');
  return { id, action };
};

export const createClientRoutes = ({
  registry,
  publish,
}: {
  registry: ClientRegistry;
  publish: (entry: Revocation) => Promise<void>;
}): Route[] => {
  /** Its tokens of smaller generations are dead on all edges when this resolves. */
  const endTokens = (id: string, gen: number) => publish({ kind: 'user', id, gen });

  const create = async (ctx: Ctx, { auth = 'client_secret_basic', ...body }: Body) => {
    const { status, jwks = [], ...changes } = readChanges(body);
    const method = readOneOf('auth', String(auth), authMethods);
    if (changes.name === undefined)
      throw new AppError('bad_request', { reason: 'missing_field', field: 'name' });
    if (status !== undefined) throw invalidField('status');
    if ((method === 'private_key_jwt') !== jwks.length > 0) throw invalidField('jwks');
    const { client, secret } = await registry.create({
      ...{ grants: clientGrants, scopes: '', audience: '', introspect: 'own', jwks, auth: method },
      ...{ ...changes, name: changes.name },
    });
    ctx.facts = { client_id: client.id, action: 'create' };
    const shown = secret === undefined ? {} : { client_secret: secret };
    return { status: 201, body: { ...show(client), ...shown } };
  };

  const change = async (ctx: Ctx, body: Body) => {
    const { id, action } = readPath(ctx.path);
    if (action !== '') throw new AppError('not_found');
    const changes = readChanges(body);
    ctx.facts = { client_id: id, action: 'change', fields: Object.keys(changes).join(' ') };
    const client = await registry.update(id, (record) => {
      if (changes.jwks !== undefined && record.auth !== 'private_key_jwt')
        throw invalidField('jwks');
      const gen = changes.status === 'disabled' ? record.gen + 1 : record.gen;
      return { ...record, ...changes, gen };
    });
    if (changes.status === 'disabled') await endTokens(id, client.gen);
    return { status: 200, body: show(client) };
  };

  const renew = async (ctx: Ctx) => {
    const { id, action } = readPath(ctx.path);
    if (action === '') throw new AppError('not_found');
    ctx.facts = { client_id: id, action };
    if (action === 'settle') return { status: 200, body: show(await registry.dropOldSecrets(id)) };
    const { client, secret } = await registry.addSecret(id);
    return { status: 200, body: { ...show(client), client_secret: secret } };
  };

  const remove = async (ctx: Ctx) => {
    const { id, action } = readPath(ctx.path);
    if (action !== '') throw new AppError('not_found');
    ctx.facts = { client_id: id, action: 'remove' };
    // First the end of the tokens: should it fail, the client is still there to be removed again.
    const { gen } = await registry.update(id, (record) => ({
      ...record,
      status: 'disabled',
      gen: record.gen + 1,
    }));
    await endTokens(id, gen);
    await registry.remove(id);
    return { status: 204 };
  };

  return [
    {
      method: 'GET',
      path: '/clients',
      body: 'none',
      handle: async () => ({
        status: 200,
        body: { clients: (await registry.list()).map(show) },
      }),
    },
    { method: 'POST', path: '/clients', body: 'json', handle: create },
    { method: 'POST', path: '/clients', prefix: true, body: 'none', handle: renew },
    { method: 'PATCH', path: '/clients', prefix: true, body: 'json', handle: change },
    { method: 'DELETE', path: '/clients', prefix: true, body: 'none', handle: remove },
  ];
};
