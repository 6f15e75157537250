/**
 * The campaign that wraps weak hashes: GET /campaigns shows it, POST /campaigns begins one, POST
 * /campaigns/pause|resume|cancel|share steers it. The gateway may not read password records, so whichever
 * node answers first speaks for all of them: what it is asked may be asked again.
 */
import { AppError, codeOf } from '../../../shared/errors.js';
import { invalidField, readFields, readFlag } from '../../../shared/fields.js';
import type { Body, Route } from '../../../shared/http.js';
import { newId } from '../../../shared/new-id.js';
import type { Nodes } from '../../nodes/nodes.js';

const fields = { key: false, share: false } as const;
/** Of an id in PASSWORD_KEYS; somebody may give the key itself, which must not get into a log. */
const keyForm = /^(?:-|[a-z0-9][a-z0-9_-]{0,7})$/;
const shareForm = /^(?:[1-9]\d?|100)$/;
const verbs = ['pause', 'resume', 'cancel'];
/** Not the node's fault: another one would say the same. */
const final = ['bad_request', 'campaign_conflict'];

const checkShare = (share: string): string => {
  if (!shareForm.test(share)) throw invalidField('share');
  return share;
};

const readOptions = (body: Body) => {
  const { dry_run: _, force: __, ...rest } = body;
  const { key, share } = readFields(rest, fields);
  if (key !== undefined && !keyForm.test(key)) throw invalidField('key');
  if (share !== undefined) checkShare(share);
  return {
    dry_run: readFlag(body, 'dry_run'),
    force: readFlag(body, 'force'),
    ...(key === undefined ? {} : { key }),
    ...(share === undefined ? {} : { share }),
  };
};

export const createCampaignRoutes = ({
  nodes,
}: {
  nodes: Pick<Nodes, 'call' | 'snapshot'>;
}): Route[] => {
  /** The first answer of a node, those in use first. */
  const ask = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const all = nodes.snapshot().sort((a, b) => Number(a.draining) - Number(b.draining));
    let problem: unknown = new AppError('no_node');
    for (const { id } of all.slice(0, 3)) {
      try {
        return { status: 200, body: await nodes.call(id, method, path, body) };
      } catch (error) {
        if (final.includes(codeOf(error))) throw error;
        problem = error;
      }
    }
    throw problem;
  };

  return [
    {
      method: 'GET',
      path: '/campaigns',
      body: 'none',
      handle: () => ask('GET', '/campaign'),
    },
    {
      method: 'POST',
      path: '/campaigns',
      body: 'json',
      handle: (ctx, body) => {
        const options = readOptions(body);
        ctx.facts = { action: 'campaign', ...options };
        // A second node that is asked finds what the first has begun.
        return ask('POST', '/campaign', { id: newId(), ...options });
      },
    },
    {
      method: 'POST',
      path: '/campaigns/share',
      body: 'json',
      handle: (ctx, body) => {
        const share = checkShare(readFields(body, { share: true }).share);
        ctx.facts = { action: 'campaign share', share };
        return ask('POST', '/campaign/share', { share });
      },
    },
    {
      method: 'POST',
      path: '/campaigns',
      prefix: true,
      body: 'none',
      handle: (ctx) => {
        const verb = verbs.find((name) => ctx.path === `/campaigns/${name}`);
        if (verb === undefined) throw new AppError('not_found');
        ctx.facts = { action: `campaign ${verb}` };
        return ask('POST', `/campaign/${verb}`);
      },
    },
  ];
};
