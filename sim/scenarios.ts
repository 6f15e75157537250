/** All scenarios, by the name that `--only` knows. */
import { elastic, fast500, flapping, hang, kill } from './faults.js';
import { burst, overload, retryStorm } from './overload.js';
import type { Scenario } from './scenario.js';
import { steady } from './steady.js';

export const scenarios: Record<string, Scenario> = {
  steady,
  overload,
  burst,
  storm: retryStorm,
  kill,
  hang,
  fast500,
  flapping,
  elastic,
};
