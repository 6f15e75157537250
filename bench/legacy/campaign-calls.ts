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
const maxTries = 40;

/** Undefined for 409: there is no such campaign to steer, or another one is under way. */
const call = async (
  fleet: Fleet,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<string | undefined> => {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(`http://127.0.0.1:${fleet.adminPort}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${fleet.adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.ok) return text;
    if (answer.status === 409) return undefined;
    // Nodes that were killed are missed for a while.
    if (answer.status < 500 || tries === maxTries)
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    await sleep(250);
  }
};

export const createCampaignCalls = (fleet: Fleet) => {
  const show = async (): Promise<Campaign> => {
    const found: unknown = JSON.parse((await call(fleet, 'GET', '/campaigns')) ?? '{}');
    const inside: unknown =
      typeof found === 'object' && found !== null && 'campaign' in found ? found.campaign : found;
    if (!isCampaign(inside)) throw new Error('the admin port shows no campaign');
    return inside;
  };
  /** False: it is over. */
  const steer = async (verb: 'pause' | 'resume'): Promise<boolean> =>
    (await call(fleet, 'POST', `/campaigns/${verb}`)) !== undefined;

  return {
    show,
    start: (key: string) => call(fleet, 'POST', '/campaigns', { key }),
    steer,
    /** Percent of each node's threads, from now on. */
    setShare: (share: number) => call(fleet, 'POST', '/campaigns/share', { share: String(share) }),
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
