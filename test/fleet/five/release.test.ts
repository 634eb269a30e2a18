import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeApplication, makeNextRelease } from '../support/application.ts';
import { fleetflip, summarize } from '../support/command.ts';
import type { TestFleet } from '../support/fleet.ts';
import { compareAll, listChanges, readLinks, takeSnapshot } from '../support/inspect.ts';
import { startFiveHosts } from '../support/start.ts';

let fleet: TestFleet;
let inventory: string;
let first: string;
let next: string;

beforeAll(async () => {
  fleet = await startFiveHosts();
  inventory = await fleet.write();
  first = await makeApplication(fleet.directory);
  next = await makeNextRelease(first);
});
afterAll(() => fleet?.stop());

const FIRST = { web01: 'foo_l', web02: 'foo_l', web03: 'foo_l', web04: 'foo_l', web05: 'foo_r' };
const NEXT = { web01: 'foo_r', web02: 'foo_r', web03: 'foo_r', web04: 'foo_r', web05: 'foo_l' };

describe('five real servers with different shells and tools, one behind a bastion, one with a release made by hand', () => {
  it('are left without a trace by status, plan and check, also where no record is', async () => {
    const before = await takeSnapshot(fleet);
    expect(await fleetflip(inventory, 'status')).toMatchObject({ code: 4, result: { split: true } });
    expect(await fleetflip(inventory, 'plan', first)).toMatchObject({ code: 0, result: { refusals: [] } });
    expect(summarize(await fleetflip(inventory, 'check'))).toEqual({ code: 0, outcome: 'done', failed: {} });
    expect(listChanges(before, await takeSnapshot(fleet))).toEqual([]);
  });

  it('would show a trace', async () => {
    const before = await takeSnapshot(fleet);
    const { root, run } = fleet.host('web02');
    await run(`: >'${root}/trace'`);
    expect(listChanges(before, await takeSnapshot(fleet))).toEqual(
      expect.arrayContaining([expect.stringMatching(/^web02 is: \.\/trace /)]),
    );
    await run(`rm '${root}/trace'`);
  });

  it('take a release, each into a slot that is not live', async () => {
    expect(await readLinks(fleet)).toEqual({ web01: '', web02: '', web03: '', web04: '', web05: './foo_l/' });
    expect(summarize(await fleetflip(inventory, 'deploy', first))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    expect(await readLinks(fleet)).toEqual(FIRST);
    expect(await compareAll(first, fleet)).toEqual({});
  });

  it('go back to a release that was made by hand, where there was one, and come in line again', async () => {
    const { code, result } = await fleetflip(inventory, 'rollback', '--only', 'web05');
    expect({ code, outcome: result.outcome, split: result.fleetSplit }).toEqual({
      code: 0,
      outcome: 'committed',
      split: true,
    });
    const { root, run } = fleet.host('web05');
    expect(await run(`cat '${root}/foo/index.html'`)).toBe('made by hand\n');
    expect(await fleetflip(inventory, 'status')).toMatchObject({ code: 4, result: { split: true } });
    expect(summarize(await fleetflip(inventory, 'deploy', first))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    expect(await readLinks(fleet)).toEqual(FIRST);
  });

  it('take the next release into the other slot, and keep the one before', async () => {
    expect(summarize(await fleetflip(inventory, 'deploy', next))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    expect(await readLinks(fleet)).toEqual(NEXT);
    expect(await compareAll(next, fleet)).toEqual({});
    expect((await compareAll(first, fleet)).web03).toContain('gone-in-the-next');
  });

  it('bring the first release back by rollback', async () => {
    expect(summarize(await fleetflip(inventory, 'rollback'))).toEqual({ code: 0, outcome: 'committed', failed: {} });
    expect(await readLinks(fleet)).toEqual(FIRST);
    expect(await compareAll(first, fleet)).toEqual({});
  });

  it('are left without a trace by status, plan and check when they have releases', async () => {
    const before = await takeSnapshot(fleet);
    expect(await fleetflip(inventory, 'status')).toMatchObject({ code: 0, result: { split: false, settled: true } });
    expect(await fleetflip(inventory, 'plan', next)).toMatchObject({ code: 0, result: { refusals: [] } });
    expect(summarize(await fleetflip(inventory, 'check'))).toEqual({ code: 0, outcome: 'done', failed: {} });
    expect(listChanges(before, await takeSnapshot(fleet))).toEqual([]);
  });

  it('have nothing to do for the release that is live', async () => {
    expect(summarize(await fleetflip(inventory, 'deploy', first))).toEqual({ code: 0, outcome: 'current', failed: {} });
    expect(await readLinks(fleet)).toEqual(FIRST);
  });
});
