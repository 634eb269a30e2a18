import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Case, CONNECTING, type Idle, KEEPALIVE, NOTHING, STAGING } from './fault-cases.ts';
import { expectServed, type FaultyFleet, otherSlot, startFaultyFleet } from './faulty-fleet.ts';

let faulty: FaultyFleet;
beforeAll(async () => {
  faulty = await startFaultyFleet();
  await faulty.expectSound();
  await faulty.expectSound();
});
afterAll(() => faulty.stop());
afterEach(() => faulty.heal());

/** Milliseconds: a host that falls silent keeps its lock for half of its own patience. */
const PATIENCE = 180_000;

/** One host in three fails before a flip is ordered: exit 1, no link has moved, and what is served is untouched everywhere. */
async function expectUnchanged({ kind, code, phase, leaves, how, silent, ...faults }: Case): Promise<void> {
  const before = await faulty.readQuiet();
  await faulty.host('demo2').setFaults(faults);
  const { release, result, failures } = await faulty.deployNext(how);
  expect(failures).toEqual({ demo2: { kind, code, phase } });
  expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
  expect(result.hosts.map(host => [host.name, host.outcome, host.error?.code])).toEqual([
    ['demo1', 'unchanged', undefined],
    ['demo2', 'failed', code],
    ['demo3', 'unchanged', undefined],
  ]);
  const busy = silent ? ['demo2'] : [];
  const after = await faulty.readQuiet(busy);
  for (const [name, disk] of Object.entries(after)) {
    const idle = otherSlot(disk.link);
    const left = leaves[name === 'demo2' ? 0 : 1];
    expectServed(name, { disk, before: before[name] });
    expect([name, disk.run, disk.history]).toEqual([name, before[name]?.run, before[name]?.history]);
    // Of a host that still waits for the rest, the lock and what it has received stay for a while.
    if (left === 'untouched') expect({ ...disk, lock: 'free', leftovers: [] }).toEqual(before[name]);
    else expect([name, disk.records[idle]]).toEqual([name, RECORDED[left](release.label)]);
    if (left === 'whole' || left === 'staged') expect(disk.slots[idle]).toEqual(release.files);
  }
  await faulty.heal();
  await faulty.expectSound(busy);
}

const RECORDED: Readonly<Record<Exclude<Idle, 'untouched'>, (label: string) => string>> = {
  unproven: label => `unproven ${label}`,
  whole: label => `unproven ${label}`,
  staged: label => `verified ${label} staged`,
};

describe('no link moves when one host', () => {
  it.each([...CONNECTING, ...STAGING])('$name', expectUnchanged, PATIENCE);

  it.each([
    ['drops', { dropAfterBytes: 8000 }, undefined],
    ['falls silent', { blackHoleAfterBytes: 8000 }, KEEPALIVE],
  ] as const)(
    '%s while the agent is brought to it',
    async (_how, faults, how) => {
      const record = join(faulty.host('demo2').root, '.site.fleetflip');
      for (const name of await readdir(record)) if (name.startsWith('agent-')) await rm(join(record, name));
      await expectUnchanged({
        name: '',
        ...faults,
        ...(how === undefined ? {} : { how, silent: true }),
        kind: 'lost',
        code: 'CONNECTION_LOST',
        phase: 'connect',
        leaves: NOTHING,
      });
    },
    PATIENCE,
  );
});
