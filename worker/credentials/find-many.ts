/** `findMany` of a store that looks for one record at a time. */
import type { Credential, Credentials } from './credentials.js';

const atOnce = 50;

export const createFindMany =
  (find: Credentials['find']): Credentials['findMany'] =>
  async (rows) => {
    const found: (Credential | undefined)[] = [];
    for (let at = 0; at < rows.length; at += atOnce) {
      const some = rows.slice(at, at + atOnce);
      found.push(...(await Promise.all(some.map(({ u, name }) => find(u, name)))));
    }
    return found;
  };
