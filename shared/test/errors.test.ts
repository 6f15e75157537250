import t from 'tap';
import { AppError } from '../errors.js';

const frames = (error: Error): number => error.stack?.match(/^ {4}at /gm)?.length ?? 0;

t.test('faults of ours say where they were thrown, refusals cost no stack', async (t) => {
  t.ok(frames(new AppError('internal')) > 0);
  t.ok(frames(new AppError('store_unavailable')) > 0);
  t.equal(frames(new AppError('overloaded')), 0);
  t.equal(frames(new AppError('temporarily_unavailable')), 0, 'a crowd is refused by it');
  t.equal(frames(new AppError('bad_credentials')), 0);
  t.ok(frames(new Error('another one')) > 0, 'and nobody else goes without');
});
