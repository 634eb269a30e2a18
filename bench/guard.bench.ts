/** What the guards cost: the time from start to confirmed, with them and without, in turn on the same ten servers. */

import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'vitest';
import { startFleet } from './fleet.ts';
import { fleetflip, MAIN } from './fleetflip.ts';
import { median, report } from './table.ts';

const PROJECT = join(import.meta.dirname, '..');
/** Below the project, so that its packages are found. */
const UNGUARDED = join(PROJECT, 'bench/unguarded');
const TURNS = Number(process.env.FLEETFLIP_BENCH_TURNS ?? 15);
const HOSTS = 10;

/** The same build with an agent that only says that it has a guard. */
async function buildUnguarded(): Promise<string> {
  await rm(UNGUARDED, { recursive: true, force: true });
  await mkdir(UNGUARDED, { recursive: true });
  await cp(join(PROJECT, 'dist'), join(UNGUARDED, 'dist'), { recursive: true });
  await cp(join(PROJECT, 'package.json'), join(UNGUARDED, 'package.json'));
  const file = join(UNGUARDED, 'dist/host/agent.sh');
  const agent = await readFile(file, 'utf8');
  const without = agent.replace(
    /^start_guard\(\) \{\n[\s\S]*?^\}/m,
    'start_guard() { ln -s "$$ 0 $boot" "$record/guard.$deployment"; }',
  );
  if (without === agent) throw new Error('the agent has no start_guard');
  await writeFile(file, without);
  return join(UNGUARDED, 'dist/cli/main.js');
}

it('measures what the guards cost', async () => {
  const unguarded = await buildUnguarded();
  const fleet = await startFleet(HOSTS);
  const took = { guarded: [] as number[], unguarded: [] as number[] };
  try {
    const inventory = await fleet.writeInventory();
    const release = join(fleet.directory, 'release');
    await mkdir(release);
    for (let turn = -1; turn < TURNS; turn++) {
      for (const [how, main] of [
        ['guarded', MAIN],
        ['unguarded', unguarded],
      ] as const) {
        for (let file = 0; file < 200; file++)
          await writeFile(join(release, `${file}.txt`), `${how} ${file < 20 ? turn : 0}`.padEnd(4_000, 'x'));
        const { phases } = await fleetflip(['deploy', release, '-i', inventory], main);
        const confirmed = [...phases].filter(([phase]) => phase !== 'unlock').reduce((sum, [, time]) => sum + time, 0);
        // The first turn brings the agent.
        if (turn >= 0) took[how].push(confirmed);
      }
    }
  } finally {
    await fleet.stop();
    await rm(UNGUARDED, { recursive: true, force: true });
  }
  const [guarded, bare] = [median(took.guarded), median(took.unguarded)];
  const growth = `${((guarded / bare - 1) * 100).toFixed(1)} %`;
  await report(
    'guard',
    ['median to confirmed, ms', 'without guards', 'growth'],
    [[guarded.toFixed(0), bare.toFixed(0), growth]],
  );
});
