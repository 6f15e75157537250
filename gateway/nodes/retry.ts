/**
 * The budget for second attempts: a tenth of a token per request, a token per retry that costs the
 * cluster work, so that a broken cluster is asked at most 1.1 times as much as a sound one.
 */
export type RetryBudget = ReturnType<typeof createRetryBudget>;

const max = 20;
const perRequest = 0.1;

export const createRetryBudget = () => {
  let tokens = max;
  return {
    earn: () => {
      tokens = Math.min(max, tokens + perRequest);
    },
    /** Takes a token, or says that there is none. */
    spend: (): boolean => {
      // Ten additions of 0.1 are a little less than one.
      if (tokens < 1 - 1e-9) return false;
      tokens = Math.max(0, tokens - 1);
      return true;
    },
    tokens: () => tokens,
  };
};
