import t from 'tap';
import { AppError, codeOf } from '../../shared/errors.js';
import { createFollowUp } from '../follow-up.js';
import { until } from './store.js';

const setup = (failures: number, looksMs: readonly number[] = [5, 5]) => {
  const told: [string, number][] = [];
  let tries = 0;
  let finish = async (): Promise<unknown> => undefined;
  const followUp = createFollowUp({
    genOf: async () => 4,
    publishGen: async (u, gen) => {
      if (tries++ < failures) throw new AppError('store_unavailable');
      told.push([u, gen]);
    },
    onStop: (run) => {
      finish = run;
    },
    looksMs,
  });
  const change = (code: 'store_unavailable' | 'overloaded') => async () => {
    throw new AppError(code);
  };
  return { followUp, change, told, tries: () => tries, stop: () => finish() };
};

t.test('what nobody knows the end of is looked at twice, whatever fails meanwhile', async (t) => {
  const { followUp, change, told, tries } = setup(1);
  t.equal(await followUp('u', 3, change('store_unavailable')).catch(codeOf), 'store_unavailable');
  await until(() => told.length > 0);
  t.equal(tries(), 2);
  t.strictSame(told, [['u', 4]]);
});

t.test('an edge that stops looks at what is not finished', async (t) => {
  const { followUp, change, told, stop } = setup(0, [60_000]);
  await followUp('u', 3, change('store_unavailable')).catch(codeOf);
  t.strictSame(told, []);
  await stop();
  t.strictSame(told, [['u', 4]]);
});

t.test('what has ended one way or the other is not', async (t) => {
  const { followUp, change, tries } = setup(0);
  t.equal(await followUp('u', 3, async () => 'done'), 'done');
  t.equal(await followUp('u', 3, change('overloaded')).catch(codeOf), 'overloaded');
  t.equal(await followUp('u', 4, change('store_unavailable')).catch(codeOf), 'store_unavailable');
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.equal(tries(), 0);
});
