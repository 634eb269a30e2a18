import { expect, it } from 'vitest';
import type { Arena } from './arena.ts';
import { type Cut, cutAt, listFlipPoints } from './cut.ts';
import { runCampaign } from './fleets.ts';
import { layNetwork, type Network } from './network.ts';

const HOSTS = 4;

const WAYS: readonly Pick<Cut, 'count' | 'how'>[] = [1, 2, HOSTS - 1].flatMap(count => [
  { count, how: 'cut' as const },
  { count, how: 'hold' as const },
]);

/** With FLEETFLIP_CRASH=whole every way at every point; otherwise each point takes its turn of two. */
function chooseWays(point: Pick<Cut, 'point' | 'late'>, at: number): readonly Cut[] {
  const all = WAYS.map(way => ({ ...point, ...way }));
  if (process.env.FLEETFLIP_CRASH === 'whole') return all;
  return all.filter((_, way) => way % 3 === at % 3);
}

it('says what is true of a fleet whose hosts are cut off, and settles it', async () => {
  const networks = new Map<Arena, Promise<Network>>();
  const networkOf = (arena: Arena): Promise<Network> => {
    const laid = networks.get(arena) ?? layNetwork(arena);
    networks.set(arena, laid);
    return laid;
  };
  const { results, reads, unresolved } = await runCampaign({
    fleets: 5,
    arena: { hosts: HOSTS },
    items: async arena => (await listFlipPoints(arena, await networkOf(arena))).flatMap(chooseWays),
    run: async (arena, cut: Cut) => cutAt(arena, await networkOf(arena), cut),
  });
  for (const network of await Promise.all(networks.values())) network.close();
  const violations = [...results.flatMap(({ result }) => result.violations), ...unresolved];
  const outcomes = results.map(({ result }) => result.outcome);
  const counts = [...new Set(outcomes)].map(kind => `${outcomes.filter(one => one === kind).length} ${kind}`);
  const reached = results.filter(({ result }) => result.reached).length;
  console.log(
    `cuts: ${results.length} runs, ${reached} struck (${counts.join(', ')}), ${reads} reads through the links, ${violations.length} violations`,
  );
  expect(violations).toEqual([]);
  expect(reached).toBeGreaterThan(results.length * 0.9);
});
