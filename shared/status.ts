/** Of a user or an OAuth client. Who is disabled is given nothing. */
export const statuses = ['active', 'disabled'] as const;
export type Status = (typeof statuses)[number];

export const isStatus = (value: unknown): value is Status =>
  statuses.some((status) => status === value);
