/**
 * The real engine over a simulated network and simulated hosts, in virtual time: coordinators crash, hosts reboot, messages
 * are lost or late, and after it all the fleet is on one release and every report was true.
 *
 * FLEETFLIP_SIM_RUNS is the number of stories, FLEETFLIP_SIM_SEED the seed of fast-check. A story that fails is printed
 * shrunk, with its seed and path; FLEETFLIP_SIM_SEED=SEED FLEETFLIP_SIM_PATH=PATH npm run test:sim tells it again.
 */

import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Transfer } from '../../src/domain/transfer.ts';
import { packLines, RELEASES, type SimRelease } from './releases.ts';
import { type Scenario, scenarios } from './scenario.ts';
import { World } from './world.ts';

vi.mock('../../src/release/index.ts', () => ({
  loadRelease: async (source: string) => {
    const release = RELEASES.find(one => one.label === source);
    if (release === undefined) throw new Error(`no release ${source}`);
    return { ...release, warnings: [], close: async () => undefined };
  },
}));

vi.mock('../../src/engine/archives.ts', () => ({
  createArchives: (release: SimRelease) => ({
    manifest: release.manifest,
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

const runs = Number(process.env.FLEETFLIP_SIM_RUNS ?? 1_000);
const seed = Number(process.env.FLEETFLIP_SIM_SEED ?? 1);

async function trace(scenario: Scenario): Promise<readonly string[]> {
  const world = new World(scenario);
  const told: string[] = [];
  world.trace = told;
  await world.play().catch((thrown: unknown) => told.push(String(thrown)));
  return told;
}

describe('a simulated fleet', () => {
  it(
    `ends on one release, and every report is true, in ${runs} stories`,
    async () => {
      const seen = new Map<string, number>();
      const property = fc.asyncProperty(scenarios, async (scenario: Scenario) => {
        const world = new World(scenario);
        await world.play();
        for (const { actor, result, crashed } of world.coordinators) {
          const key = `${actor.command} ${crashed ? 'crashed' : result?.outcome}`;
          seen.set(key, (seen.get(key) ?? 0) + 1);
        }
        for (const [kind, count] of world.chaos.struck)
          seen.set(`fault ${kind}`, (seen.get(`fault ${kind}`) ?? 0) + count);
      });
      const { FLEETFLIP_SIM_PATH: path } = process.env;
      const report = { endOnFailure: process.env.FLEETFLIP_SIM_SHRINK === 'no' };
      const details = await fc.check(property, {
        numRuns: runs,
        seed,
        ...report,
        ...(path === undefined ? {} : { path }),
      });
      if (details.failed && details.counterexample !== null)
        console.log((await trace(details.counterexample[0])).join('\n'));
      const message = await fc.asyncDefaultReportMessage(details);
      expect(message).toBeUndefined();
      console.log(`seed ${seed}, ${runs} runs`, Object.fromEntries([...seen].sort()));
    },
    runs * 1_000 + 60_000,
  );
});
