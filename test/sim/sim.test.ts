/**
 * The real engine over a simulated network and simulated hosts, in virtual time: coordinators crash, hosts reboot, messages
 * are lost or late, and after it all the fleet is on one release and every report was true.
 *
 * FLEETFLIP_SIM_RUNS is the number of stories, FLEETFLIP_SIM_SEED the seed of fast-check. A story that breaks a law is told
 * step by step, shrunk, with seed and path. To tell it again:
 * FLEETFLIP_SIM_SEED=SEED FLEETFLIP_SIM_PATH=PATH npm run test:sim
 */

import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Transfer } from '../../src/domain/transfer.ts';
import type { Fault } from './faults.ts';
import { Violation } from './laws.ts';
import { packLines, RELEASES, type SimRelease } from './releases.ts';
import { type Scenario, scenarios } from './scenario.ts';
import { type Broken, World } from './world.ts';

vi.mock('../../src/release/index.ts', () => ({
  canZstd: false,
  loadRelease: async (source: string) => {
    const release = RELEASES.find(one => one.label === source);
    if (release === undefined) throw new Error(`no release ${source}`);
    return { ...release, artifact: null, warnings: [], close: async () => undefined };
  },
}));

vi.mock('../../src/engine/archives.ts', () => ({
  createArchives: (release: SimRelease) => ({
    get: async (transfer: Transfer, instant: number) => {
      const lines = packLines(release, transfer, instant);
      if (lines.length === 0) return null;
      return { size: lines.join('').length, open: () => Readable.from(lines) };
    },
    close: async () => undefined,
  }),
}));

vi.mock('../../src/host/agent.ts', () => ({
  loadAgent: async () => ({ bytes: Buffer.from('agent'), digest: 'd'.repeat(64) }),
}));

const runs = Number(process.env.FLEETFLIP_SIM_RUNS ?? 3_000);
const seed = Number(process.env.FLEETFLIP_SIM_SEED ?? 1);
const path = process.env.FLEETFLIP_SIM_PATH;

/** How often each thing happened, so that one sees that much did. */
class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  addWorld({ coordinators, chaos, hosts }: World): void {
    for (const host of hosts) this.add('cancel heard', host.turns.get('cancel') ?? 0);
    for (const { actor, result, crashed } of coordinators)
      this.add(`${actor.command} ${crashed ? 'crashed' : result?.outcome}`);
    for (const [kind, count] of chaos.struck) this.add(`struck by ${kind}`, count);
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  describe(): string {
    return [...this.#counts]
      .sort()
      .map(([what, count]) => `  ${String(count).padStart(7)} ${what}`)
      .join('\n');
  }
}

const LATE_FLIP: Fault = { kind: 'late', host: 1, verb: 'flip', turn: 0, step: 6, time: 35_000 };

/** Tells a story again, step by step. */
async function trace(scenario: Scenario): Promise<string> {
  const world = new World(scenario);
  const told: string[] = [];
  world.trace = told;
  await world.play().catch((thrown: unknown) => told.push(String(thrown)));
  return told.join('\n');
}

describe('a simulated fleet', () => {
  it(
    `ends on one release, and every report is true, in ${runs} stories`,
    async () => {
      const tally = new Tally();
      const property = fc.asyncProperty(scenarios, async scenario => {
        const world = new World(scenario);
        await world.play();
        tally.addWorld(world);
      });
      const details = await fc.check(property, { numRuns: runs, seed, ...(path === undefined ? {} : { path }) });
      if (details.counterexample !== null) console.log(await trace(details.counterexample[0]));
      console.log(`seed ${seed}, ${details.numRuns} stories\n${tally.describe()}`);
      expect(await fc.asyncDefaultReportMessage(details)).toBeUndefined();
      if (path !== undefined) return;
      for (const happened of ['committed', 'reverted', 'unchanged', 'unknown', 'locked', 'crashed'])
        expect(tally.get(`deploy ${happened}`), happened).toBeGreaterThan(0);
      for (const happened of ['recover settled', 'cancel heard'])
        expect(tally.get(happened), happened).toBeGreaterThan(0);
    },
    60_000 + runs * 1_000,
  );

  it('never flips forward by a lock that stood still, after a later deployment', async () => {
    const actor = { release: 2, wait: 0, clockError: 0 };
    const fault = { host: 1, time: 200_000 };
    for (let step = 4; step < 24; step++) {
      const world = new World({
        salt: 1,
        hosts: 2,
        start: 'two',
        latency: 5,
        unrest: 0,
        window: 20_000,
        actors: [
          { ...actor, command: 'deploy', at: 0 },
          { ...actor, command: 'recover', at: 40_000 },
          { ...actor, command: 'recover', at: 90_000 },
          { ...actor, command: 'recover', at: 180_000 },
          { ...actor, command: 'deploy', at: 220_000, release: 3 },
        ],
        faults: [
          { ...fault, kind: 'crash', host: 0, verb: 'confirm', turn: 0, step: 45 },
          { ...fault, kind: 'kill', verb: 'forward', turn: 0, step: 7 },
          { ...fault, kind: 'late', verb: 'lock', turn: 2, step },
        ],
        again: false,
      });
      await world.play();
      expect([...world.chaos.struck.keys()].sort()).toEqual(['crash', 'kill', 'late']);
    }
  });

  it('never gives a token twice after a lock was released on a full disk', async () => {
    const actor = { command: 'deploy', wait: 0, clockError: 0 } as const;
    const fault = { host: 3, verb: 'confirm', step: 0, time: 35_000 } as const;
    const world = new World({
      salt: 0,
      hosts: 2,
      start: 'one',
      latency: 5,
      unrest: 0,
      window: 20_000,
      actors: [
        { ...actor, release: 1, at: 0 },
        { ...actor, release: 0, at: 48_058 },
        { ...actor, release: 2, at: 231, wait: 20_000 },
      ],
      faults: [
        { ...fault, kind: 'full', turn: 2 },
        { ...fault, kind: 'silent-link', turn: 0 },
      ],
      again: false,
    });
    await world.play();
    expect([...world.chaos.struck.keys()].sort()).toEqual(['full', 'silent-link']);
  });

  it('never keeps a lock by what a process of the same number had beaten before a power cut', async () => {
    const actor = { command: 'deploy', release: 1, wait: 0, clockError: 0 } as const;
    const world = new World({
      salt: 3643225325,
      hosts: 2,
      start: 'one',
      latency: 5,
      unrest: 0.1,
      window: 60_000,
      actors: [
        { ...actor, at: 0 },
        { ...actor, at: 78_210 },
      ],
      faults: [
        { kind: 'vanish', host: 0, verb: 'confirm', turn: 0, step: 0, time: 50 },
        { kind: 'power', host: 0, verb: 'lock', turn: 0, step: 6, time: 70_000 },
        { kind: 'suspend', host: 0, verb: 'flip', turn: 0, step: 1, time: 50 },
      ],
      again: false,
    });
    await world.play();
    expect([...world.chaos.struck.keys()].sort()).toEqual(['power', 'suspend', 'vanish']);
  });

  it.each<[Broken, RegExp]>([
    ['no guard', /its guard has not answered/],
    ['no barrier', /serves \S+, which is|before \S+ had voted/],
    ['no fencing', /under token \d+, and \d+ was given|written while it was live/],
    ['no cancel', /is reverted, and its link says/],
    ['deaf to cancel', /after it had acknowledged the cancel/],
    ['decider ignored', /before the decider/],
    ['unseen taken for reverted', /the outcome is reverted/],
  ])(
    'is found out when it has %s',
    async (broken, law) => {
      const property = fc.asyncProperty(scenarios, async story => {
        // A flip that is late is what a revert has to cancel: seldom else is one met.
        const faults = broken === 'no cancel' ? [...story.faults, LATE_FLIP] : story.faults;
        await new World({ ...story, faults }, broken).play();
      });
      const details = await fc.check(property, { numRuns: 500, seed: 1, endOnFailure: true });
      expect(details.errorInstance).toBeInstanceOf(Violation);
      expect(String(details.errorInstance)).toMatch(law);
    },
    600_000,
  );
});
