import { expect, it } from 'vitest';
import { runCampaign } from './fleets.ts';
import { killAt, listPoints } from './kill.ts';
import { startSshdFleet } from './sshd.ts';

it('ends on one release when the coordinator of real servers is killed at every fifth point', async () => {
  const { results, reads, unresolved } = await runCampaign({
    fleets: 2,
    arena: { hosts: 3, start: startSshdFleet },
    items: async arena => {
      const points = (await listPoints(arena)).filter((_, at) => at % 5 === 4);
      return points.map((point, at) => ({
        point,
        aftermath: at % 2 === 0 ? ('guards' as const) : ('recover' as const),
      }));
    },
    run: killAt,
  });
  const violations = [...results.flatMap(({ result }) => result.violations), ...unresolved];
  const killed = results.filter(({ result }) => result.reached).length;
  console.log(
    `sshd: ${results.length} points and runs, ${killed} killed, ${reads} reads through the links, ${violations.length} violations`,
  );
  expect(violations).toEqual([]);
  expect(killed).toBeGreaterThan(results.length * 0.9);
});
