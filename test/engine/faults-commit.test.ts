import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { recover } from '../../src/index.ts';
import { FAKES } from '../support/embedded.ts';
import { until } from '../support/until.ts';
import {
  type Disks,
  expectLive,
  expectReverted,
  type FaultyFleet,
  otherSlot,
  startFaultyFleet,
} from './faulty-fleet.ts';

let faulty: FaultyFleet;
let before: Disks;
beforeAll(async () => {
  faulty = await startFaultyFleet(12_000);
  await faulty.expectSound();
  await faulty.expectSound();
});
afterAll(() => faulty.stop());
afterEach(() => faulty.heal());
beforeEach(async () => {
  before = await faulty.readQuiet();
});

/** Milliseconds: hosts that are cut off are waited for as long as their guards need. */
const PATIENCE = 180_000;

/** An id of a deployment, and the end of the line. */
const LINE = '20260102T030405Z-1a2b3c\n'.length;

const link = (host: string): string => join(faulty.host(host).root, 'site');

describe('a fleet that one host splits', () => {
  it(
    'is named as split, and recover brings it back',
    async () => {
      const mark = join(faulty.host('demo1').directory, 'moved');
      await faulty.host('demo1').fake('mv', FAKES.failOnSecond(link('demo1'), mark));
      await faulty.host('demo2').fake('mv', FAKES.failOn(link('demo2')));
      const { release, result } = await faulty.deployNext();
      expect(result).toMatchObject({ outcome: 'split', exitCode: 4 });
      expect(result.hosts.map(one => [one.outcome, one.error?.code])).toEqual([
        ['failed', 'REVERT_FAILED'],
        ['failed', 'FLIP_FAILED'],
        ['reverted', undefined],
      ]);
      const split = await faulty.read();
      expect(split.demo1?.link).toBe(otherSlot(before.demo1?.link ?? null));
      for (const name of ['demo2', 'demo3']) expect(split[name]?.link).toBe(before[name]?.link);
      await faulty.heal();
      expect(await recover(faulty.fleet, { connector: faulty.connector() })).toMatchObject({ exitCode: 0 });
      expectReverted(await faulty.readQuiet(), { before, label: release.label });
      await faulty.expectSound();
    },
    PATIENCE,
  );
});

describe('a commit stands when', () => {
  it.each([
    ['the decider drops in the request', 'demo1', { dropAfterBytes: 10, from: ' confirm ', times: 1 }],
    [
      'the decider confirms, and drops before its answer',
      'demo1',
      { dropAfterBytes: LINE, inAnswer: true, from: ' confirm ', times: 1 },
    ],
    [
      'the decider confirms, and answers nonsense',
      'demo1',
      { nonsenseAfterBytes: LINE, inAnswer: true, from: ' confirm ', times: 1 },
    ],
    ['another host drops in the request', 'demo3', { dropAfterBytes: 10, from: ' confirm ', times: 1 }],
    [
      'another host confirms, and answers nonsense',
      'demo3',
      { nonsenseAfterBytes: LINE, inAnswer: true, from: ' confirm ', times: 1 },
    ],
    ['a host drops when it gives back its lock', 'demo2', { dropAfterBytes: 0, from: ' unlock' }],
  ] as const)(
    '%s',
    async (_name, name, faults) => {
      await faulty.host(name).setFaults(faults);
      const { release, result } = await faulty.deployNext();
      expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
      expect(result.hosts.map(host => [host.outcome, host.error])).toEqual(Array(3).fill(['confirmed', undefined]));
      for (const [host, disk] of Object.entries(await faulty.readQuiet()))
        expectLive(host, { disk, before: before[host], release });
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );

  it(
    'is not known while the decider never answers, and then no host keeps the release',
    async () => {
      await faulty.host('demo1').setFaults({ dropAfterBytes: 10, from: ' confirm ' });
      const { release, result } = await faulty.deployNext();
      expect(result).toMatchObject({ outcome: 'unknown', exitCode: 4 });
      await until(async () => expectReverted(await faulty.read(), { before, label: release.label }));
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );
});
