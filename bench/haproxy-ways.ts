/** The three ways to the nodes that the haproxy bench compares. */
import type { Balance } from './haproxy-process.js';

export type Way = 'floodgate' | Balance;
export type ByWay<T> = Record<Way, T>;
export const ways: Way[] = ['floodgate', 'hash', 'leastconn'];

export const mapWays = <T>(make: (way: Way) => T): ByWay<T> => ({
  floodgate: make('floodgate'),
  hash: make('hash'),
  leastconn: make('leastconn'),
});

/** Each way once per round, and every round begins with another one. */
export const inTurn = async (count: number, run: (way: Way, round: number) => Promise<void>) => {
  for (let round = 0; round < count; round++)
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(round + i) % ways.length];
      if (way !== undefined) await run(way, round);
    }
};
