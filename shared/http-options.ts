/** What a server is made of: its routes, its limits, and what is asked of the program at each request. */
import type { IncomingMessage } from 'node:http';
import type { TlsOptions } from 'node:tls';
import type { ErrorCode } from './errors.js';
import type { ConnectionLimits } from './http-connections.js';
import type { Ctx, Route } from './http-route.js';

type Logs = { error(fields: object, text: string): void; warn(fields: object, text: string): void };
export type HttpOptions = ConnectionLimits & {
  routes: readonly Route[];
  log: Logs;
  /** Runs before the body is read; throws to refuse. */
  before?: (req: IncomingMessage) => void;
  /** An id from a caller we trust, for correlation only. */
  requestIdOf?: (req: IncomingMessage) => string | undefined;
  /** Adds headers to every answer (cross-origin, a node's load). */
  decorate?: (req: IncomingMessage, headers: Record<string, string>) => void;
  /** Headers for a browser's question before a call from another origin (OPTIONS); else it is a 405. */
  preflight?: (
    req: IncomingMessage,
    methods: readonly string[],
  ) => Record<string, string> | undefined;
  /** Once per request that reached a handler or was refused, also when the client has gone. */
  observe?: (ctx: Ctx, route: string, status: number, code?: ErrorCode) => void;
  /** TLS 1.2 or better unless it says otherwise. */
  tls?: Pick<
    TlsOptions,
    'cert' | 'key' | 'ca' | 'requestCert' | 'rejectUnauthorized' | 'minVersion'
  >;
  keepAliveMs?: number;
  /** A connection with a request on which nothing moves for so long is cut off: somebody who never reads, perhaps. */
  standstillMs?: number;
  /** Asked at each answer whose connection would be kept: shall it be the last one there? */
  isLast?: () => boolean;
  /** Inner answers carry the reason as a field, so that an edge can pass it on. */
  inner?: boolean;
};
