/**
 * POST /drain and /undrain: take this node out of the edges' choice, and back. It keeps running.
 * The answer says whether the registry has heard of it, and what the node holds: that includes what
 * other gateways sent and what no client waits for any more. Both may be repeated.
 */
import type { Route } from '../../shared/http.js';
import type { Heartbeat } from '../heartbeat.js';
import type { Admission } from '../passwords/admission.js';

type Parts = { heartbeat: Heartbeat; admission: Pick<Admission, 'load'> };

const createSwitch = (path: string, { heartbeat, admission }: Parts, draining: boolean): Route => ({
  method: 'POST',
  path,
  body: 'none',
  handle: async () => {
    const isKnown = await heartbeat.setDraining(draining);
    const { inflight } = admission.load();
    return { status: 200, body: { draining, registered: isKnown, inflight } };
  },
});

export const createDrain = (parts: Parts): Route[] => [
  createSwitch('/drain', parts, true),
  createSwitch('/undrain', parts, false),
];
