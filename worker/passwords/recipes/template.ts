/**
 * A fast digest over a template in which `{SALT}` and `{PASSWORD}` are replaced (Kratos's `pf=`). In
 * one pass over the template: replacing one after the other would expand a password that contains
 * `{SALT}` again.
 */
import { digestBytes, fastCost, fastHash } from './fast-hash.js';
import { defineKind } from './recipe.js';

type Template = { alg: string; pf: Uint8Array; salt: Uint8Array };

const maxTemplateBytes = 256;
const maxPlaces = 8;

/** The literals and places of a template, in order. Bytes are read as latin1, one for one. */
const splitTemplate = (pf: Uint8Array): string[] =>
  Buffer.from(pf)
    .toString('latin1')
    .split(/(\{SALT\}|\{PASSWORD\})/);

const isPlace = (part: string): boolean => part === '{SALT}' || part === '{PASSWORD}';

/** A template without `{PASSWORD}` accepts every password. */
const isSound = (pf: Uint8Array): boolean => {
  const parts = splitTemplate(pf);
  return (
    pf.length <= maxTemplateBytes &&
    parts.includes('{PASSWORD}') &&
    parts.filter(isPlace).length <= maxPlaces
  );
};

export const template = defineKind<Template>({
  id: 'template',
  fields: { alg: 'word', pf: 'bytes', salt: 'bytes' },
  isWithinLimits: ({ alg, pf, salt }, bytes) =>
    alg !== 'mysql323' &&
    bytes > 0 &&
    bytes === digestBytes(alg) &&
    salt.length <= 64 &&
    isSound(pf),
  cost: ({ alg }) => fastCost(`template/${alg}`),
  securityClass: ({ pf, salt }) =>
    salt.length > 0 && splitTemplate(pf).includes('{SALT}') ? 'D' : 'E',
  derive: ({ alg, pf, salt }, password) => {
    const fill = (part: string): Uint8Array => {
      if (part === '{SALT}') return salt;
      return part === '{PASSWORD}' ? password : Buffer.from(part, 'latin1');
    };
    return fastHash(alg, ...splitTemplate(pf).map(fill));
  },
});
