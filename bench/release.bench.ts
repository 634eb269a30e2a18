/** The same releases to the same servers by fleetflip, parallel rsync, Capistrano and Ansible. */

import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'vitest';
import { makeApplication } from '../test/fleet/support/application.ts';
import { execute } from '../test/fleet/support/process.ts';
import { type Adjacent, unpackAdjacent } from './adjacent.ts';
import {
  type Contender,
  makeAnsible,
  makeCapistrano,
  makeCheckingRsync,
  makeFleetflip,
  makeRsync,
} from './contenders.ts';
import type { Cost } from './cost.ts';
import { type BenchFleet, startFleet } from './fleet.ts';
import { median, report } from './table.ts';

const HOSTS = Number(process.env.FLEETFLIP_BENCH_HOSTS ?? 20);
const TURNS = Number(process.env.FLEETFLIP_BENCH_TURNS ?? 3);

interface Releases {
  readonly first: string;
  /** Five files changed, one new. */
  readonly next: string;
  readonly adjacent: Adjacent;
}

async function makeReleases(directory: string): Promise<Releases> {
  await mkdir(directory);
  const first = await makeApplication(directory);
  await execute('chmod', ['-R', 'u=rwX,go=rX', first]);
  const next = join(directory, 'next');
  await execute('cp', ['-a', first, next]);
  for (const file of ['index.php', 'wp-login.php', 'wp-admin/admin.php', 'wp-includes/version.php', 'readme.html'])
    await appendFile(join(next, file), '\n<!-- changed -->\n');
  await writeFile(join(next, 'new.php'), '<?php echo 1;\n');
  return { first, next, adjacent: await unpackAdjacent(join(directory, 'adjacent')) };
}

interface Measured {
  readonly cold: readonly Cost[];
  readonly small: readonly Cost[];
  readonly none: readonly Cost[];
  /** From next 15.0.0 to 15.0.1, into empty roots with the first. */
  readonly adjacent: readonly Cost[];
}

/** Cold into empty roots; then the other release and back, each after it went live once; then what is live already. */
async function race(fleet: BenchFleet, { first, next, adjacent }: Releases, contender: Contender): Promise<Measured> {
  const [cold, small, none, followed]: [Cost[], Cost[], Cost[], Cost[]] = [[], [], [], []];
  for (let turn = 0; turn < TURNS; turn++) {
    await fleet.clear();
    await contender.reset();
    cold.push(await contender.release(first));
    await contender.release(next);
    await contender.release(first);
    small.push(await contender.release(next));
    none.push(await contender.release(next));
    await fleet.clear();
    await contender.reset();
    await contender.release(adjacent.old);
    followed.push(await contender.release(adjacent.next));
  }
  return { cold, small, none, adjacent: followed };
}

const show = (costs: readonly Cost[], key: keyof Cost): string => median(costs.map(cost => cost[key])).toFixed(2);

it(`races to ${HOSTS} servers`, async () => {
  const fleet = await startFleet(HOSTS);
  const rows: string[][] = [];
  try {
    const releases = await makeReleases(join(fleet.directory, 'releases'));
    for (const make of [makeFleetflip, makeRsync, makeCheckingRsync, makeCapistrano, makeAnsible]) {
      const contender = await make(fleet);
      const { cold, small, none, adjacent } = await race(fleet, releases, contender);
      rows.push([
        contender.name,
        show(cold, 'wall'),
        show(cold, 'cpu'),
        show(small, 'wall'),
        show(small, 'cpu'),
        show(none, 'wall'),
        show(adjacent, 'wall'),
        show(adjacent, 'cpu'),
        show(cold, 'memory'),
      ]);
    }
  } finally {
    await fleet.stop();
  }
  const head = [
    'WordPress, seconds',
    'cold',
    'our CPU',
    'small change',
    'our CPU',
    'no change',
    'next 15.0.0 to 15.0.1',
    'our CPU',
    'MB',
  ];
  await report('release', head, rows);
});
