import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FleetEvent } from '../../../src/domain/event.ts';
import { startSshdFleet } from '../sshd/fleet.ts';
import { makeApplication, makeNextRelease } from '../support/application.ts';
import { fleetflip, summarize } from '../support/command.ts';
import type { TestFleet } from '../support/fleet.ts';
import { compareAll, listChanges, readLinks, takeSnapshot } from '../support/inspect.ts';

let fleet: TestFleet;
let inventory: string;
let first: string;
let next: string;

beforeAll(async () => {
  fleet = await startSshdFleet({ count: 20 });
  inventory = await fleet.write();
  first = await makeApplication(fleet.directory);
  next = await makeNextRelease(first);
});
afterAll(() => fleet?.stop());

/** What every live link says when all say the same. */
const everywhere = (text: string): Record<string, string> =>
  Object.fromEntries(fleet.hosts.map(({ name }) => [name, text]));

async function deploy(release: string): Promise<readonly FleetEvent[]> {
  const ended = await fleetflip(inventory, 'deploy', release);
  expect(summarize(ended)).toEqual({ code: 0, outcome: 'committed', failed: {} });
  return ended.events;
}

/** How long a run took is told, and is no part of what must hold. */
function tellTimes(what: string, events: readonly FleetEvent[]): void {
  const phases = events.flatMap(event => (event.kind === 'phase-ended' ? [event] : []));
  const add = (sum: number, { took }: { took: number }): number => sum + Math.round(took);
  const reading = phases.filter(({ phase }) => phase === 'probe' || phase === 'verify').reduce(add, 0);
  const each = phases.map(({ phase, took }) => `${phase} ${Math.round(took)}`).join(', ');
  console.info(`${what}: ${phases.reduce(add, 0)} ms, of which ${reading} to prove what is in the slots (${each})`);
}

describe('twenty OpenSSH servers', () => {
  it('are left without a trace by status, plan and check where nothing is yet', async () => {
    const before = await takeSnapshot(fleet);
    expect(await fleetflip(inventory, 'status')).toMatchObject({ code: 0, result: { split: false, settled: true } });
    expect(await fleetflip(inventory, 'plan', first)).toMatchObject({ code: 0, result: { refusals: [] } });
    expect(summarize(await fleetflip(inventory, 'check'))).toEqual({ code: 0, outcome: 'done', failed: {} });
    expect(listChanges(before, await takeSnapshot(fleet))).toEqual([]);
  });

  it('take an application', async () => {
    tellTimes('the first deployment', await deploy(first));
    expect(await readLinks(fleet)).toEqual(everywhere('foo_l'));
    expect(await compareAll(first, fleet, 'foo_l')).toEqual({});
  });

  it('take its next version into the other slot', async () => {
    tellTimes('the second deployment', await deploy(next));
    expect(await readLinks(fleet)).toEqual(everywhere('foo_r'));
    expect(await compareAll(next, fleet, 'foo_r')).toEqual({});
    expect(await compareAll(first, fleet, 'foo_l')).toEqual({});
  });

  it('are brought back by rollback', async () => {
    const ended = await fleetflip(inventory, 'rollback');
    expect(summarize(ended)).toEqual({ code: 0, outcome: 'committed', failed: {} });
    tellTimes('the rollback', ended.events);
    expect(await readLinks(fleet)).toEqual(everywhere('foo_l'));
    expect(await compareAll(first, fleet)).toEqual({});
  });

  it('are left without a trace by status, plan and check', async () => {
    const before = await takeSnapshot(fleet);
    expect(await fleetflip(inventory, 'status')).toMatchObject({ code: 0, result: { split: false, settled: true } });
    expect(await fleetflip(inventory, 'plan', next)).toMatchObject({ code: 0, result: { refusals: [] } });
    expect(summarize(await fleetflip(inventory, 'check'))).toEqual({ code: 0, outcome: 'done', failed: {} });
    expect(listChanges(before, await takeSnapshot(fleet))).toEqual([]);
  });
});
