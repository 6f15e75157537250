/**
 * Which web pages may call us from a browser. Two rules from one list (CORS_ORIGINS): a page of another
 * origin may read our answers only if its origin is listed (the Fetch standard's CORS protocol), and the
 * session cookie, which browsers add by themselves, may change something only for a page of our own
 * origin or a listed one. Tokens need no such rule: a page must know one to send it.
 */
import type { IncomingMessage } from 'node:http';
import { AppError } from '../shared/errors.js';

export type Origins = ReturnType<typeof createOrigins>;

/** What a page may read of an answer; who it is signed in as (/v1/verify) it could read from the bodies. */
const identity = 'X-Auth-User, X-Auth-Session, X-Auth-Scope, X-Auth-Client';
const exposed = `X-Request-Id, Retry-After, WWW-Authenticate, ${identity}`;
const json = /^application\/json\s*(;|$)/i;

const hostOf = (origin: string): string | undefined =>
  URL.canParse(origin) ? new URL(origin).host : undefined;

export const createOrigins = ({
  listed,
  issuer,
}: {
  listed: readonly string[];
  issuer: string;
}) => {
  const allowed = new Set(listed);
  const own = URL.canParse(issuer) ? new URL(issuer).origin : undefined;

  /** Behind a proxy we know neither our own scheme nor port; browsers let no page choose the Host. */
  const isOwn = (req: IncomingMessage, origin: string): boolean => {
    if (origin === own) return true;
    const host = hostOf(origin);
    return host !== undefined && host === req.headers.host?.toLowerCase();
  };

  const isTrusted = (req: IncomingMessage): boolean => {
    const { origin, 'sec-fetch-site': site } = req.headers;
    if (origin !== undefined && allowed.has(origin)) return true;
    // Browsers only: they set it themselves, and since 2023 all do. A neighbour under the same site
    // counts as a stranger unless it is listed.
    if (site !== undefined) return site === 'same-origin' || site === 'none';
    // No browser, or one so old that the content type has to do.
    return origin === undefined || isOwn(req, origin);
  };

  return {
    /** Before a cookie may change something. Throws origin_refused and unsupported_media_type. */
    guard: (req: IncomingMessage): void => {
      if (!isTrusted(req)) throw new AppError('origin_refused');
      // What a plain HTML form can send never is JSON.
      const type = req.headers['content-type'];
      const hasBody =
        req.headers['transfer-encoding'] !== undefined ||
        Number(req.headers['content-length'] ?? 0) > 0;
      if (type === undefined ? hasBody : !json.test(type))
        throw new AppError('unsupported_media_type', { reason: 'json_required' });
    },

    /** Headers of every answer; nothing at all while no origin is listed. */
    decorate:
      allowed.size === 0
        ? undefined
        : (req: IncomingMessage, headers: Record<string, string>): void => {
            headers.vary = 'Origin';
            const { origin } = req.headers;
            if (origin === undefined || !allowed.has(origin)) return;
            headers['access-control-allow-origin'] = origin;
            headers['access-control-allow-credentials'] = 'true';
            headers['access-control-expose-headers'] = exposed;
          },

    /** The answer to "may I?"; undefined when it is no such question or not from a listed origin. */
    preflight: (
      req: IncomingMessage,
      methods: readonly string[],
    ): Record<string, string> | undefined => {
      const { origin, 'access-control-request-method': wanted } = req.headers;
      if (wanted === undefined || origin === undefined || !allowed.has(origin)) return undefined;
      return {
        'access-control-allow-methods': methods.join(', '),
        'access-control-allow-headers': 'Authorization, Content-Type',
        'access-control-max-age': '600',
      };
    },
  };
};
