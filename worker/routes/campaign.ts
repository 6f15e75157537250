/**
 * The campaign that wraps weak hashes: GET /campaign shows it, POST /campaign begins one, POST
 * /campaign/pause|resume|cancel|share steers it. Every node answers for all of them: the state is shared.
 */
import { AppError } from '../../shared/errors.js';
import { invalidField, readFields, readFlag } from '../../shared/fields.js';
import type { Body, Route } from '../../shared/http.js';
import type { Desk, Options } from '../campaigns/desk.js';
import { viewCampaign } from '../campaigns/view.js';
import type { KeyRing } from '../passwords/keys.js';

const fields = { id: true, key: false, share: false } as const;
/** Percent of each node's slots. */
const defaultShare = '10';

const readShare = (text: string): number => {
  if (!/^([1-9]\d?|100)$/.test(text)) throw invalidField('share');
  return Number(text);
};

const readOptions = (body: Body, keys: Pick<KeyRing, 'isStrong'>): Options & { id: string } => {
  const { dry_run: _, force: __, ...rest } = body;
  const { id, key = '-', share = defaultShare } = readFields(rest, fields);
  if (!/^[A-Za-z0-9_-]{22}$/.test(id)) throw invalidField('id');
  if (key !== '-' && !keys.isStrong(key)) throw invalidField('key');
  const isDryRun = readFlag(body, 'dry_run');
  const isForced = readFlag(body, 'force');
  return { id, key, share: readShare(share), isDryRun, isForced };
};

export const createCampaignRoutes = (parts: {
  desk: Pick<Desk, 'start' | 'steer' | 'setShare' | 'show'>;
  keys: Pick<KeyRing, 'isStrong'>;
}): Route[] => {
  const { desk, keys } = parts;

  const show = async () => ({
    status: 200,
    body: { campaign: viewCampaign(await desk.show()) ?? null },
  });

  const showIf = async (isDone: boolean) => {
    if (!isDone) throw new AppError('campaign_conflict');
    return show();
  };

  const steer = (verb: 'pause' | 'resume' | 'cancel'): Route => ({
    method: 'POST',
    path: `/campaign/${verb}`,
    body: 'none',
    handle: async () => showIf(await desk.steer(verb)),
  });

  return [
    { method: 'GET', path: '/campaign', body: 'none', handle: show },
    {
      method: 'POST',
      path: '/campaign',
      body: 'json',
      handle: async (_, body) => {
        const { id, ...options } = readOptions(body, keys);
        return showIf(await desk.start(id, options));
      },
    },
    steer('pause'),
    steer('resume'),
    steer('cancel'),
    {
      method: 'POST',
      path: '/campaign/share',
      body: 'json',
      handle: async (_, body) => {
        const { share } = readFields(body, { share: true });
        return showIf(await desk.setShare(readShare(share)));
      },
    },
  ];
};
