/** How time, processor time and memory grow with hosts and with bytes. */

import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { it } from 'vitest';
import { type Cost, measure } from './cost.ts';
import { type BenchFleet, startFleet } from './fleet.ts';
import { MAIN } from './fleetflip.ts';
import { writePages } from './pages.ts';
import { report } from './table.ts';

const COUNTS = (process.env.FLEETFLIP_BENCH_HOSTS ?? '5,20,100,200').split(',').map(Number);

const HEAD = ['release', 'hosts', 'seconds', 'our CPU', 'MB of memory'];

async function deploy(fleet: BenchFleet, directory: string): Promise<Cost> {
  const inventory = await fleet.writeInventory();
  return measure('node', [MAIN, 'deploy', directory, '-i', inventory, '--output', 'plain']);
}

function row(what: string, hosts: number, { wall, cpu, memory }: Cost): string[] {
  return [what, String(hosts), wall.toFixed(2), cpu.toFixed(2), memory.toFixed(0)];
}

it('grows with hosts and with bytes', async () => {
  await report('scale', HEAD, [...(await growWithHosts()), ...(await growWithBytes())]);
});

async function growWithHosts(): Promise<string[][]> {
  const rows: string[][] = [];
  for (const count of COUNTS) {
    const fleet = await startFleet(count);
    try {
      const directory = join(fleet.directory, 'release');
      await writePages(directory);
      rows.push(row('10 files, 90 KB', count, await deploy(fleet, directory)));
    } finally {
      await fleet.stop();
    }
  }
  return rows;
}

async function growWithBytes(): Promise<string[][]> {
  const rows: string[][] = [];
  for (const megabytes of [64, 512, 4096]) {
    const fleet = await startFleet(2);
    try {
      const directory = join(fleet.directory, 'release');
      await mkdir(directory);
      for (let at = 0; at < 4; at++) await fill(join(directory, `film-${at}.bin`), megabytes << 18);
      rows.push(row(`4 files, ${megabytes} MiB`, 2, await deploy(fleet, directory)));
    } finally {
      await fleet.stop();
    }
  }
  return rows;
}

async function fill(file: string, size: number): Promise<void> {
  const block = Buffer.from(`${file} `.repeat(1 << 12));
  const blocks = function* (): Generator<Buffer> {
    for (let left = size; left > 0; left -= block.length) yield block.subarray(0, left);
  };
  await pipeline(Readable.from(blocks()), createWriteStream(file));
}
