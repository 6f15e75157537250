/** What a record is to a campaign, and the counts that follow: by security class and format. */
import type { Credential } from '../credentials/credentials.js';
import type { StoredHash } from '../passwords/formats/format.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { isWorthWrapping } from '../passwords/recipes/wrap.js';
import type { Campaign, Row } from './desk.js';

/** Of a campaign without a key that was not forced, records of class E are none of its business. */
export const isDue = (
  { recipe, securityClass }: Pick<StoredHash, 'recipe' | 'securityClass'>,
  { key, isForced }: Pick<Campaign, 'key' | 'isForced'>,
): boolean =>
  recipe.kind !== 'wrap' &&
  isWorthWrapping(securityClass) &&
  (securityClass !== 'E' || key !== '-' || isForced);

/** What our own spelling holds says more than that it is ours. */
const labelOf = ({ format, recipe }: StoredHash): string =>
  format === 'own' ? `x-${recipe.kind}` : format;

/** `A` to `E`, `wrapped`, or `unusable`, and the name of its format. */
const placeOf = (hash: ReturnType<typeof readHash>): { cls: string; label: string } => {
  if (!isUsable(hash)) return { cls: 'unusable', label: hash };
  if (hash.recipe.kind === 'wrap')
    return { cls: 'wrapped', label: `wrap1-${String(hash.recipe.params.in)}` };
  return { cls: hash.securityClass, label: labelOf(hash) };
};

/** Counts of one step of the walk, and the rows that are due. Computes no hash. */
export const takeCensus = (
  found: readonly { u: string; credential: Pick<Credential, 'hash' | 'name'> }[],
  campaign: Campaign,
): { rows: Row[]; counts: Record<string, number> } => {
  const rows: Row[] = [];
  const counts: Record<string, number> = {};
  const add = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  for (const { u, credential } of found) {
    const hash = readHash(credential.hash);
    const { cls, label } = placeOf(hash);
    const couldBe = isUsable(hash) && isDue(hash, { key: campaign.key, isForced: true });
    add('seen');
    add(`seen:${cls}:${label}`);
    if (couldBe) add('due');
    if (couldBe && cls === 'E') add('due_e');
    if (isUsable(hash) && isDue(hash, campaign))
      rows.push({ u, name: credential.name, format: label });
  }
  return campaign.isCounting ? { rows: [], counts } : { rows, counts: {} };
};
