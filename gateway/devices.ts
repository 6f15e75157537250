/**
 * Device tokens: a signed note that this account once signed in with this client. It opens nothing;
 * it only lets a known device keep its place in the queue when a crowd or an attacker arrives.
 * Form: `<u>.<day of issue, s since 1970>.<key id>.<MAC>`, good for 180 days. All of an account and a day are
 * one: a device has guesses of its own, and each further login would add a device.
 */
const daySeconds = 86_400;
export const maxAgeSeconds = 180 * daySeconds;

export type Devices = ReturnType<typeof createDevices>;

type Keys = {
  mac(purpose: 'device', text: string): { keyId: string; mac: string };
  checkMac(purpose: 'device', keyId: string, text: string, mac: string): boolean;
};

export const createDevices = ({ keys, now = Date.now }: { keys: Keys; now?: () => number }) => ({
  issue: (u: string): string => {
    const day = Math.floor(now() / 1000 / daySeconds);
    const text = `${u}.${day * daySeconds}`;
    const { keyId, mac } = keys.mac('device', text);
    return `${text}.${keyId}.${mac}`;
  },

  /**
   * The name of the device: its day, also where the key has changed since. Undefined unless the token is an
   * unexpired one of this very account. Never throws.
   */
  find: (u: string, token: string | undefined): string | undefined => {
    if (token === undefined || token.length > 256) return undefined;
    const [owner, issued, keyId, mac, ...rest] = token.split('.');
    if (owner !== u || rest.length > 0 || !issued || !keyId || !mac) return undefined;
    if (!/^\d{10}$/.test(issued)) return undefined;
    const age = now() / 1000 - Number(issued);
    if (age >= maxAgeSeconds) return undefined;
    if (!keys.checkMac('device', keyId, `${owner}.${issued}`, mac)) return undefined;
    return issued;
  },
});
