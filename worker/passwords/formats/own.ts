/** Our own spelling of any recipe, `$x-<kind>$<parameters>$<digest>`: see recipes/text.ts. */
import { readRecipe } from '../recipes/text.js';
import { type Format, readLack } from './format.js';
import { unread } from './malformed.js';
import { readBase64 } from './strict.js';

export const own: Format = {
  id: 'own',
  identify: (stored) => stored.startsWith('$x-'),
  parse: (stored) => {
    const [, kind = '', params = '', text = ''] =
      /^\$x-([a-z0-9-]+)\$([^$]*)\$([^$]*)$/.exec(stored) ?? [];
    const recipe = readRecipe(kind, params);
    const digest = readBase64(text);
    if (recipe === undefined || digest === undefined)
      return readLack(stored) ?? unread({ parameters: recipe, digest });
    return { recipe, digest };
  },
};
