/** A campaign by the admin port. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../fleet.js';

export type Campaign = {
  status: string;
  seen: number;
  due: number;
  wrapped: number;
  changed: number;
  failed: number;
};

const isCampaign = (value: unknown): value is Campaign =>
  typeof value === 'object' &&
  value !== null &&
  'status' in value &&
  'wrapped' in value &&
  'due' in value;

const pollMs = 500;
/** Nodes that were killed are missed for a while. */
const tries = 50;

export const createCampaignCalls = ({ admin }: Fleet) => {
  /** Undefined for 409: there is no such campaign to steer, or another one is under way. */
  const call = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const its = { tries, also: [409], ...(body && { body }) };
    const { status, text } = await admin(method, path, its);
    return status === 409 ? undefined : text;
  };
  const show = async (): Promise<Campaign> => {
    const found: unknown = JSON.parse((await call('GET', '/campaigns')) ?? '{}');
    const inside: unknown =
      typeof found === 'object' && found !== null && 'campaign' in found ? found.campaign : found;
    if (!isCampaign(inside)) throw new Error('the admin port shows no campaign');
    return inside;
  };
  /** False: it is over. */
  const steer = async (verb: 'pause' | 'resume'): Promise<boolean> =>
    (await call('POST', `/campaigns/${verb}`)) !== undefined;

  return {
    show,
    start: (key: string) => call('POST', '/campaigns', { key }),
    steer,
    /** Percent of each node's threads, from now on. */
    setShare: (share: number) => call('POST', '/campaigns/share', { share: String(share) }),
    /** Resolves when `isTrue`; rejects when it ended otherwise. */
    until: async (isTrue: (now: Campaign) => boolean, onLook: (now: Campaign) => void) => {
      for (;;) {
        const now = await show();
        onLook(now);
        if (isTrue(now)) return now;
        if (['done', 'refused', 'cancelled'].includes(now.status))
          throw new Error(`the campaign ended early: ${JSON.stringify(now)}`);
        await sleep(pollMs);
      }
    },
  };
};
