import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fleetflip, start, summarize } from '../support/command.ts';
import { hangInFlip } from '../support/faults.ts';
import type { TestFleet } from '../support/fleet.ts';
import { readLinks } from '../support/inspect.ts';
import { until } from '../support/process.ts';
import { makeSmallRelease } from '../support/scenario.ts';
import { startFiveHosts } from '../support/start.ts';

let fleet: TestFleet;
let inventory: string;
let colleagues: string;

beforeAll(async () => {
  fleet = await startFiveHosts();
  inventory = await fleet.write();
  colleagues = await fleet.write({ ...fleet.inventory, ssh: { ...fleet.inventory.ssh, user: fleet.colleague } });
});
afterAll(() => fleet?.stop());

describe('a colleague of the group that owns the roots of five real servers', () => {
  it('sees what the other one released', async () => {
    const deployed = await fleetflip(
      inventory,
      'deploy',
      await makeSmallRelease(fleet.directory, 'first'),
      '--label',
      'one',
    );
    expect(summarize(deployed)).toEqual({ code: 0, outcome: 'committed', failed: {} });
    const live = { release: deployed.result.release, label: 'one', drift: null };
    const seen = await fleetflip(colleagues, 'status');
    expect(seen).toMatchObject({ code: 0, result: { split: false, settled: true } });
    expect(seen.result.hosts).toMatchObject(fleet.hosts.map(({ name }) => ({ name, live })));
  });

  it('settles a deployment whose coordinator was killed between the first flip and the last', async () => {
    const before = await readLinks(fleet);
    const { root, run, fake, unfake } = fleet.host('web03');
    await fake('mv', hangInFlip(fleet.host('web03')));
    const { child, ended } = start(inventory, 'deploy', await makeSmallRelease(fleet.directory, 'next'));
    await until('the link of web01 has moved', async () => (await readLinks(fleet)).web01 !== before.web01);
    child.kill('SIGKILL');
    expect((await ended).code).toBeNull();
    await run(`: >'${root}/go-on'`);
    let end = summarize(await fleetflip(colleagues, 'recover'));
    await until('the killed deployment has let go of its locks', async () => {
      if (end.code === 5) end = summarize(await fleetflip(colleagues, 'recover'));
      return end.code !== 5;
    });
    await unfake('mv');
    await run(`rm '${root}/go-on'`);
    expect(end).toEqual({ code: 0, outcome: 'settled', failed: {} });
    expect(await readLinks(fleet)).toEqual(before);
    expect(await fleetflip(colleagues, 'status')).toMatchObject({ code: 0, result: { split: false, settled: true } });
  });
});
