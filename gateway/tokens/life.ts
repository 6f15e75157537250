/**
 * How long an access token lives, and for how long afterwards it still concerns somebody: what is told of
 * its end, and the keys that signed it, outlast it by the minute that two clocks may be apart.
 */

/** The longest life of an access token, whatever a key holder signs; how long its end is told follows from it. */
export const maxTokenMs = 15 * 60_000;

/** How far the clocks of two gateways may be apart, or ours and that of another issuer. */
export const skewMs = 60_000;
export const skewSeconds = skewMs / 1000;

/** The longest life of an access token plus a margin for clocks: an older end concerns nobody. */
export const retainedMs = maxTokenMs + skewMs;

/** Whole seconds up to the year 5138: no fractions, no 1e308, no text. */
export const isTime = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 1e11;
