import { expect, it } from 'vitest';
import { runCampaign } from './fleets.ts';
import { type Aftermath, killAt, listPoints } from './kill.ts';

const AFTERMATHS: readonly Aftermath[] = ['guards', 'recover'];

it('ends on one release wherever the coordinator is killed', async () => {
  const { results, reads, unresolved } = await runCampaign({
    fleets: 4,
    arena: { hosts: 3 },
    items: async arena =>
      (await listPoints(arena)).flatMap(point => AFTERMATHS.map(aftermath => ({ point, aftermath }))),
    run: killAt,
  });
  const violations = [...results.flatMap(({ result }) => result.violations), ...unresolved];
  const points = new Set(results.map(({ item }) => item.point)).size;
  const reached = results.filter(({ result }) => result.reached).length;
  console.log(
    `coordinator: ${points} points, ${results.length} runs, ${reached} killed, ${reads} reads through the links, ${violations.length} violations`,
  );
  expect(violations).toEqual([]);
  expect(reached).toBeGreaterThan(results.length * 0.9);
});
