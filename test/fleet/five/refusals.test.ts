import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fleetflip, summarize } from '../support/command.ts';
import { TELL_NO_SPACE } from '../support/faults.ts';
import type { TestFleet } from '../support/fleet.ts';
import { readLinks } from '../support/inspect.ts';
import { deployOntoFlaw, makeSmallRelease, rewordLink } from '../support/scenario.ts';
import { startFiveHosts } from '../support/start.ts';

let fleet: TestFleet;
let inventory: string;
let next: string;
let links: Record<string, string>;

beforeAll(async () => {
  fleet = await startFiveHosts();
  inventory = await fleet.write();
  const first = await makeSmallRelease(fleet.directory, 'first');
  next = await makeSmallRelease(fleet.directory, 'next');
  // More than the full disks hold.
  await writeFile(join(next, 'large'), 'x'.repeat(4 << 20));
  expect(summarize(await fleetflip(inventory, 'deploy', first))).toEqual({ code: 0, outcome: 'committed', failed: {} });
  await rewordLink(fleet.host('web01'), slot => `${fleet.host('web01').root}/${slot}`);
  await rewordLink(fleet.host('web02'), slot => `./${slot}/`);
  links = await readLinks(fleet);
});
afterAll(() => fleet?.stop());

describe('no link moves on five real servers', () => {
  it.each(['web02', 'web03', 'web04'])('when the disk of %s has no space', async name => {
    expect(await deployOntoFlaw({ fleet, name, flaw: 'full', release: next })).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { [name]: expect.stringMatching(/^plan NO_SPACE: \d+ bytes are needed/) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it.each(['web01', 'web03'])('when %s finds out while it unpacks that the disk has no space', async name => {
    await fleet.host(name).fake('df', TELL_NO_SPACE);
    const end = await deployOntoFlaw({ fleet, name, flaw: 'full', release: next });
    await fleet.host(name).unfake('df');
    expect(end).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { [name]: expect.stringMatching(/^stage NO_SPACE: /) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it.each(['web02', 'web03', 'web05'])('when the disk of %s is read-only', async name => {
    expect(await deployOntoFlaw({ fleet, name, flaw: 'readonly', release: next })).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { [name]: expect.stringMatching(/^connect NOT_WRITABLE: .*may not write/) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('when the root of one host belongs to somebody else', async () => {
    expect(await deployOntoFlaw({ fleet, name: 'web02', flaw: 'foreign', release: next })).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { web02: expect.stringMatching(/^connect NOT_WRITABLE: .*may not write/) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it.each(['web02', 'web03'])('when the host key of %s has changed', async name => {
    const restore = await fleet.host(name).changeKey();
    const end = summarize(await fleetflip(inventory, 'deploy', next));
    await restore();
    expect(end).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { [name]: expect.stringMatching(/^connect HOST_KEY_CHANGED: /) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('when the host key of a bastion has changed: the host behind it is not reached', async () => {
    const restore = await fleet.host('web01').changeKey();
    const end = summarize(await fleetflip(inventory, 'deploy', next, '--only', 'web04,web05'));
    await restore();
    expect(end).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { web04: expect.stringMatching(/^connect HOST_KEY_CHANGED: at a bastion: /) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });
});

describe('links of five real servers', () => {
  it.each(['web01', 'web02', 'web03'])('are put back to the letter when %s fails in the flip itself', async name => {
    const release = await fleet.host(name).guardLink();
    const end = summarize(await fleetflip(inventory, 'deploy', next));
    await release();
    expect(end).toEqual({
      code: 3,
      outcome: 'reverted',
      failed: { [name]: expect.stringMatching(/^flip FLIP_FAILED: .*not permitted/) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('move after all once everything is mended', async () => {
    expect(summarize(await fleetflip(inventory, 'deploy', next))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    const moved = await readLinks(fleet);
    for (const name of Object.keys(links)) expect(moved[name]).not.toBe(links[name]);
  });
});
