import { expect, it } from 'vitest';
import { runCampaign } from './fleets.ts';
import { killAt, listPoints } from './kill.ts';

it('ends on one release when the coordinator is killed at a dozen points', async () => {
  const { results, unresolved } = await runCampaign({
    fleets: 2,
    arena: { hosts: 3 },
    items: async arena => sample(await listPoints(arena), 12).map(point => ({ point, aftermath: 'guards' as const })),
    run: killAt,
  });
  expect([...results.flatMap(({ result }) => result.violations), ...unresolved]).toEqual([]);
  expect(results.filter(({ result }) => result.reached).length).toBeGreaterThan(6);
}, 300_000);

function sample<T>(all: readonly T[], count: number): readonly T[] {
  const step = Math.max(1, Math.floor(all.length / count));
  return all.filter((_, at) => at % step === step - 1);
}
