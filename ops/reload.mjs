/**
 * Reloads are done one after the other, and one that is asked for meanwhile is about something newer:
 * it is done afterwards, once, however often it was asked for.
 * @param {() => Promise<void>} reloadOnce
 */
export const createReload = (reloadOnce) => {
  let isRunning = false;
  let isAsked = false;

  return async () => {
    isAsked = true;
    if (isRunning) return;
    isRunning = true;
    /** @type {unknown[]} */
    const errors = [];
    while (isAsked) {
      isAsked = false;
      await reloadOnce().catch((error) => errors.push(error));
    }
    isRunning = false;
    if (errors.length > 0) throw errors[0];
  };
};
