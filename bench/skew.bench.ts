/** How far apart the links move: by their own ctimes, and as fleetflip reports it. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { lstat, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'vitest';
import { type BenchFleet, startFleet } from './fleet.ts';
import { fleetflip } from './fleetflip.ts';
import { report } from './table.ts';

const TURNS = Number(process.env.FLEETFLIP_BENCH_TURNS ?? 5);

interface Skew {
  /** Milliseconds. */
  readonly byLinks: number;
  readonly reported: number;
  readonly error: number;
}

async function flipOnce(fleet: BenchFleet, inventory: string, turn: number): Promise<Skew> {
  const release = join(fleet.directory, 'skew');
  await mkdir(release, { recursive: true });
  await writeFile(join(release, 'index.html'), `release ${turn} ${Date.now()}`);
  const { result } = await fleetflip(['deploy', release, '-i', inventory]);
  const times = await Promise.all(fleet.hosts.map(async ({ www }) => (await lstat(join(www, 'foo'))).ctimeMs));
  return {
    byLinks: Math.max(...times) - Math.min(...times),
    reported: result.flip.skewMs ?? Number.NaN,
    error: result.flip.errorMs ?? Number.NaN,
  };
}

/** By libfaketime; Debian's package faketime. */
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

function setWrong(at: number): readonly string[] {
  if (!existsSync(FAKETIME)) throw new Error(`there is no ${FAKETIME}: install faketime`);
  const hours = at % 2 === 0 ? `+${at + 1}h` : `-${at + 1}h`;
  return [`LD_PRELOAD=${FAKETIME}`, `FAKETIME=${hours}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1'];
}

async function measure(fleet: BenchFleet, inventory: string): Promise<readonly Skew[]> {
  const skews: Skew[] = [];
  for (let turn = 0; turn < TURNS; turn++) skews.push(await flipOnce(fleet, inventory, turn));
  return skews;
}

/** Far hosts: round trips spread evenly from 0 to the longest. They are relayed by a process of their own. */
async function measureFar(fleet: BenchFleet, longest: number): Promise<readonly Skew[]> {
  const relays = fork(join(import.meta.dirname, 'relays.mjs'), []);
  const targets = fleet.hosts.map(({ address }, at) => ({
    host: address,
    port: fleet.port,
    delay: (at / Math.max(1, fleet.hosts.length - 1)) * (longest / 2),
  }));
  relays.send(targets);
  const [ports] = (await once(relays, 'message')) as [number[]];
  try {
    const addresses = new Map(fleet.hosts.map(({ name }, at) => [name, `127.0.0.1:${ports[at]}`]));
    return await measure(fleet, await fleet.writeInventory({}, addresses));
  } finally {
    relays.kill();
  }
}

it('measures the skew of the flip', async () => {
  const rows: string[][] = [];
  const add = (what: string, skews: readonly Skew[]): void => {
    const worst = (key: keyof Skew): string => Math.max(...skews.map(skew => skew[key])).toFixed(1);
    const all = skews.map(skew => skew.byLinks.toFixed(0)).join(' ');
    rows.push([what, worst('byLinks'), all, worst('reported'), worst('error')]);
  };
  for (const count of [20, 100]) {
    const fleet = await startFleet(count);
    try {
      add(`${count} hosts, no latency`, await measure(fleet, await fleet.writeInventory()));
      if (count === 20) add(`${count} hosts, round trips 0-200 ms`, await measureFar(fleet, 200));
    } finally {
      await fleet.stop();
    }
  }
  const wrong = await startFleet(20, setWrong);
  try {
    add('20 hosts, clocks wrong by hours', await measure(wrong, await wrong.writeInventory()));
  } finally {
    await wrong.stop();
  }
  await report('skew', ['fleet', 'worst, by the links', 'each', 'worst reported', 'worst error'], rows);
});
