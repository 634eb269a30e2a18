import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSshdFleet } from '../sshd/fleet.ts';
import { makeApplication } from '../support/application.ts';
import { fleetflip, summarize } from '../support/command.ts';
import { refuseToMoveLink, TELL_NO_SPACE } from '../support/faults.ts';
import type { TestFleet } from '../support/fleet.ts';
import { readLinks } from '../support/inspect.ts';
import { deployOntoFlaw, makeSmallRelease, rewordLink } from '../support/scenario.ts';

let fleet: TestFleet;
let inventory: string;
let first: string;
let next: string;
let application: string;
let links: Record<string, string>;

beforeAll(async () => {
  fleet = await startSshdFleet({ count: 20 });
  inventory = await fleet.write();
  first = await makeSmallRelease(fleet.directory, 'small');
  next = await makeSmallRelease(fleet.directory, 'next');
  application = await makeApplication(fleet.directory);
  links = await readLinks(fleet);
});
afterAll(() => fleet?.stop());

describe('twenty OpenSSH servers', () => {
  it('have no link again when the very first deployment fails in the flip of one host', async () => {
    const host = fleet.host('web10');
    await host.fake('mv', refuseToMoveLink(host));
    const end = summarize(await fleetflip(inventory, 'deploy', first));
    await host.unfake('mv');
    expect(end).toEqual({
      code: 3,
      outcome: 'reverted',
      failed: { web10: expect.stringMatching(/^flip FLIP_FAILED: /) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('take a release, and are told to say the same in different words', async () => {
    expect(summarize(await fleetflip(inventory, 'deploy', first))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    await rewordLink(fleet.host('web01'), slot => `${fleet.host('web01').root}/${slot}`);
    await rewordLink(fleet.host('web02'), slot => `./${slot}/`);
    await rewordLink(fleet.host('web19'), slot => `${slot}/`);
    links = await readLinks(fleet);
    // The empty slot came before the one of the deployment that failed.
    const { root } = fleet.host('web01');
    expect(new Set(Object.values(links))).toEqual(new Set([`${root}/foo_r`, './foo_r/', 'foo_r/', 'foo_r']));
  });

  it.each([
    ['has no space', 'full', /^plan NO_SPACE: \d+ bytes are needed/],
    ['has a read-only disk', 'readonly', /^connect NOT_WRITABLE: .*may not write/],
    ['may not write to its root', 'foreign', /^connect NOT_WRITABLE: .*may not write/],
  ] as const)('keep all their links when one host %s', async (_, flaw, reason) => {
    expect(await deployOntoFlaw({ fleet, name: 'web11', flaw, release: application })).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { web11: expect.stringMatching(reason) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('keep all their links when one host finds out while it unpacks that it has no space', async () => {
    await fleet.host('web12').fake('df', TELL_NO_SPACE);
    const end = await deployOntoFlaw({ fleet, name: 'web12', flaw: 'full', release: application });
    await fleet.host('web12').unfake('df');
    expect(end).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { web12: expect.stringMatching(/^stage NO_SPACE: /) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('keep all their links when the host key of one of them has changed', async () => {
    const restore = await fleet.host('web13').changeKey();
    const end = summarize(await fleetflip(inventory, 'deploy', next));
    await restore();
    expect(end).toEqual({
      code: 1,
      outcome: 'unchanged',
      failed: { web13: expect.stringMatching(/^connect HOST_KEY_CHANGED: /) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('have all their links back, to the letter, when one host fails in the flip itself', async () => {
    const release = await fleet.host('web14').guardLink();
    const end = summarize(await fleetflip(inventory, 'deploy', next));
    await release();
    expect(end).toEqual({
      code: 3,
      outcome: 'reverted',
      failed: { web14: expect.stringMatching(/^flip FLIP_FAILED: .*not permitted/) },
    });
    expect(await readLinks(fleet)).toEqual(links);
  });

  it('take the release after all once everything is mended', async () => {
    expect(summarize(await fleetflip(inventory, 'deploy', next))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    expect(new Set(Object.values(await readLinks(fleet)))).toEqual(new Set(['foo_l']));
  });
});
