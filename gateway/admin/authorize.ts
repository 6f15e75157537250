/** Who may call the admin port: ADMIN_TOKEN everything, METRICS_TOKEN only a scrape. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../../shared/errors.js';
import { bearerOf } from '../bearer.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export const createAuthorize = ({
  adminToken,
  metricsToken,
}: {
  adminToken: string;
  metricsToken: string | undefined;
}) => {
  const admin = digest(adminToken);
  const metrics = metricsToken === undefined ? undefined : digest(metricsToken);
  return (req: IncomingMessage) => {
    const given = digest(bearerOf(req));
    if (timingSafeEqual(given, admin)) return;
    const isScrape = req.method === 'GET' && req.url === '/metrics';
    if (isScrape && metrics !== undefined && timingSafeEqual(given, metrics)) return;
    throw new AppError('token_invalid');
  };
};
