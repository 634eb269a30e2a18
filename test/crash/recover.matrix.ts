import { expect, it } from 'vitest';
import { concludeByRecover } from './aftermath.ts';
import type { Arena } from './arena.ts';
import { runCampaign } from './fleets.ts';
import { LEFTOVERS, leaveBehind, recoverApart } from './leftover.ts';
import { awaitLocks } from './verdict.ts';

interface Item {
  readonly leftover: string;
  readonly point: string;
}

/** Each point of a recovery, over the leftovers in turn. */
async function listItems(arena: Arena): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (const [turn, leftover] of LEFTOVERS.entries()) {
    await leaveBehind(arena, leftover);
    await awaitLocks(arena);
    const points = await recoverApart(arena, null);
    if (points === 'killed') throw new Error('nobody was to be killed');
    items.push(...points.filter((_, at) => at % LEFTOVERS.length === turn).map(point => ({ leftover, point })));
  }
  return items;
}

async function killRecover(arena: Arena, { leftover, point }: Item) {
  const before = await arena.readDisks();
  const release = await leaveBehind(arena, leftover);
  await awaitLocks(arena);
  const killed = (await recoverApart(arena, point)) === 'killed';
  const found = await concludeByRecover(arena, { before, release });
  return { killed, violations: found.map(what => `recover of '${leftover}' killed at '${point}': ${what}`) };
}

it('settles the fleet when recover itself is killed, and run again', async () => {
  const campaign = { fleets: 4, arena: { hosts: 3 }, items: listItems, run: killRecover };
  const { results, reads, unresolved } = await runCampaign(campaign);
  const violations = [...results.flatMap(({ result }) => result.violations), ...unresolved];
  const killed = results.filter(({ result }) => result.killed).length;
  console.log(
    `recover: ${results.length} points and runs, ${killed} killed, ${reads} reads through the links, ${violations.length} violations`,
  );
  expect(violations).toEqual([]);
  expect(killed).toBeGreaterThan(results.length * 0.9);
});
