/** POST /drain and /undrain: take this node out of the edges' choice, and back. It keeps running. */
import type { Route } from '../../shared/http.js';
import type { Heartbeat } from '../heartbeat.js';

const createSwitch = (path: string, heartbeat: Heartbeat, draining: boolean): Route => ({
  method: 'POST',
  path,
  body: 'none',
  handle: async () => {
    const isKnown = await heartbeat.setDraining(draining);
    return { status: 200, body: { draining, registered: isKnown } };
  },
});

export const createDrain = ({ heartbeat }: { heartbeat: Heartbeat }): Route[] => [
  createSwitch('/drain', heartbeat, true),
  createSwitch('/undrain', heartbeat, false),
];
