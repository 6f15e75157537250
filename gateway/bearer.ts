/** The bearer token of a request (RFC 6750 § 2.1): the header only, never a query or a form. */
import type { IncomingMessage } from 'node:http';
import { AppError } from '../shared/errors.js';

const form = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

/** Throws token_missing when there is none, token_invalid when what is there is no token. */
export const bearerOf = (req: IncomingMessage): string => {
  const header = req.headers.authorization;
  // Nearly every request is the plain spelling; the expressions are for the rest.
  if (header?.startsWith('Bearer ey')) return header.slice(7);
  if (header === undefined || !/^bearer /i.test(header)) throw new AppError('token_missing');
  const token = form.exec(header)?.[1];
  if (token === undefined) throw new AppError('token_invalid');
  return token;
};
