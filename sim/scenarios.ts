/** All scenarios, by the name that `--only` knows. */
import { classes } from './classes.js';
import { elastic, frozen } from './elastic.js';
import { fast500, hang, kill } from './faults.js';
import { flapping } from './flapping.js';
import { burst, overload, retryStorm } from './overload.js';
import type { Scenario } from './scenario.js';
import { steady } from './steady.js';

export const scenarios: Record<string, Scenario> = {
  steady,
  overload,
  burst,
  storm: retryStorm,
  classes,
  frozen,
  kill,
  hang,
  fast500,
  flapping,
  elastic,
};
