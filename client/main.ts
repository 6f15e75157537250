/** All that `import … from 'floodgate/client'` offers; see README, "Client library". */
export type { CallerOptions, CallOptions } from './caller.js';
export { type Client, type ClientOptions, type Credentials, createClient } from './client.js';
export { type ClientCredentialsOptions, createClientCredentials } from './client-credentials.js';
export { type ErrorCode, type ErrorKind, FloodgateError, isFloodgateError } from './errors.js';
export {
  type BudgetOptions,
  createBackoff,
  createBudget,
  mayRepeat,
  readRetryAfter,
} from './retry.js';
export type { GivenTokens, SessionTokens } from './saved-tokens.js';
export type { Identity, Login, Session, Tokens, User } from './shapes.js';
export { createUserSession, type UserSessionOptions } from './user-session.js';
