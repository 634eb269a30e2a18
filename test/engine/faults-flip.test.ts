import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../src/domain/error.ts';
import { FAKES, type Faults } from '../support/embedded.ts';
import { until } from '../support/until.ts';
import { KEEPALIVE } from './fault-cases.ts';
import {
  type Disks,
  expectReverted,
  expectServed,
  type FaultyFleet,
  otherSlot,
  type RunWith,
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

describe('arming is undone everywhere when one host', () => {
  it.each([
    ['drops in the request', { dropAfterBytes: 50, from: ' arm ' }],
    ['drops before its answer', { dropAfterBytes: 0, inAnswer: true, from: ' demo3\n' }],
  ])(
    '%s',
    async (_name, faults) => {
      await faulty.host('demo2').setFaults(faults);
      const { release, result, failures } = await faulty.deployNext();
      expect(failures).toEqual({ demo2: { kind: 'lost', code: 'CONNECTION_LOST', phase: 'arm' } });
      expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
      for (const [name, disk] of Object.entries(await faulty.readQuiet())) {
        expectServed(name, { disk, before: before[name] });
        expect([name, disk.records[otherSlot(disk.link)]]).toEqual([name, `verified ${release.label} staged`]);
      }
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );
});

interface FlipCase extends Faults, Pick<Failure, 'kind' | 'code'> {
  readonly name: string;
  readonly how?: RunWith;
  readonly fake?: true;
  readonly silent?: true;
}

const FLIPPING: readonly FlipCase[] = [
  { name: 'drops in the request', dropAfterBytes: 10, from: ' flip ', kind: 'lost', code: 'CONNECTION_LOST' },
  {
    name: 'flips, and drops before its answer',
    dropAfterBytes: LINE,
    from: ' flip ',
    kind: 'lost',
    code: 'CONNECTION_LOST',
  },
  {
    name: 'flips, and answers nonsense',
    nonsenseAfterBytes: LINE,
    from: ' flip ',
    kind: 'unknown',
    code: 'AGENT_NONSENSE',
  },
  { name: 'fails in the rename itself', fake: true, kind: 'refused', code: 'FLIP_FAILED' },
  {
    name: 'flips, and falls silent',
    blackHoleAfterBytes: LINE,
    from: ' flip ',
    how: KEEPALIVE,
    silent: true,
    kind: 'lost',
    code: 'CONNECTION_LOST',
  },
];

describe('every link is put back when one host', () => {
  it.each(FLIPPING)(
    '$name',
    async ({ kind, code, how, fake, silent, ...faults }) => {
      const host = faulty.host('demo2');
      await host.setFaults(faults);
      if (fake) await host.fake('mv', FAKES.failOn(link('demo2')));
      const { release, result, failures } = await faulty.deployNext(how);
      expect(failures).toEqual({ demo2: { kind, code, phase: 'flip' } });
      expect(result).toMatchObject({ outcome: 'reverted', exitCode: 3 });
      expect(result.hosts.map(one => [one.outcome, one.error?.code])).toEqual([
        ['reverted', undefined],
        ['failed', code],
        ['reverted', undefined],
      ]);
      expectReverted(await faulty.readQuiet(silent ? ['demo2'] : []), { before, label: release.label });
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );

  it(
    'flips and is never seen again: the run does not know, and the host goes back by itself',
    async () => {
      const host = faulty.host('demo2');
      await host.setFaults({ dropAfterBytes: LINE, inAnswer: true, from: ' flip ' });
      const { release, result } = await faulty.deployNext({
        ssh: { timeout: 3000 },
        emit: event =>
          event.kind === 'phase-started' && event.phase === 'flip' && void host.setFaults({ hangInHandshake: true }),
      });
      expect(result).toMatchObject({ outcome: 'unknown', exitCode: 4 });
      expect(result.hosts.map(one => one.outcome)).toEqual(['reverted', 'unknown', 'reverted']);
      await until(async () => expectReverted(await faulty.read(), { before, label: release.label }));
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );
});
