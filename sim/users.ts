/** Users: who comes when, to which edge, and whether they come back after a refusal. */
import { type WorkClass, workClasses } from '../shared/protocol.js';
import type { Driver } from './driver.js';
import type { Edge } from './edge.js';
import { accountKeys, createRandom, indexIn, type Random, zipfSums } from './random.js';
import type { Login, World } from './world.js';

type Fleet = { random: Random; edges: readonly Edge[]; capacity: number };
type Client = { u: string; cls: WorkClass };

/** The same in every run: the seed of the rank decides where they belong. */
const usualAccounts = accountKeys(20_000, createRandom(1));
/** They go on coming for so long after the measured time, or its last logins would have it easy. */
const overlapMs = 50;

/** Looked for at each millisecond: loads change in steps. */
const highestLoad = ({ load, warmUpMs }: World, untilMs: number): number => {
  let highest = 0;
  for (let ms = 0; ms <= untilMs; ms++) highest = Math.max(highest, load(ms - warmUpMs));
  return highest;
};

export const createUsers = (world: World, fleet: Fleet, driver: Driver, logins: Login[]) => {
  const untilMs = world.warmUpMs + world.measureMs + overlapMs;
  const { random, edges, capacity } = fleet;
  const accounts =
    world.accounts === undefined ? usualAccounts : accountKeys(world.accounts, createRandom(1));
  const sums = world.skew === undefined ? undefined : zipfSums(accounts.length, world.skew);
  const [hot = '', hotShare = 0] = [accounts[0], world.hotShare];
  const shares = world.classes && workClasses.map((cls) => world.classes?.[cls] ?? 0);

  const pickAccount = (): string => {
    if (hotShare > 0 && random.uniform() < hotShare) return hot;
    const at = sums === undefined ? random.below(accounts.length) : indexIn(sums, random.uniform());
    return accounts[at] ?? hot;
  };
  const pickClass = (): WorkClass =>
    shares === undefined ? 'login' : (workClasses[random.byShare(shares)] ?? 'login');

  const login = (client: Client, nth: number) => {
    const startedAt = driver.now();
    const atMs = startedAt - world.warmUpMs;
    const { u, cls } = client;
    edges[random.byShare(world.edges)]?.login(client, (outcome, toldMs) => {
      const tookMs = driver.now() - startedAt;
      if (atMs >= 0) logins.push({ atMs, tookMs, outcome, cls, isHot: u === hot, nth });
      if (outcome !== 'ok') comeBack(client, nth + 1, toldMs);
    });
  };
  const comeBack = (client: Client, nth: number, toldMs: number) => {
    const { tries = 0, pauseMs } = world.patience ?? {};
    if (nth <= tries && pauseMs !== undefined)
      driver.after(pauseMs(nth, random.uniform, toldMs), () => login(client, nth));
  };

  const loadNow = (): number => world.load(driver.now() - world.warmUpMs);
  const highest = highestLoad(world, untilMs);
  const gapMs = 1000 / (highest * capacity);
  /** A Poisson process of changing rate, by thinning (Lewis and Shedler 1979): a change is felt at once. */
  const arrive = () => {
    driver.after(random.exponential(gapMs), () => {
      if (driver.now() > untilMs) return;
      arrive();
      const load = loadNow();
      if (load === highest || random.uniform() * highest < load)
        login({ u: pickAccount(), cls: pickClass() }, 0);
    });
  };
  return { start: arrive };
};
