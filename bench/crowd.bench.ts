/** A thousand hosts, simulated: embedded SSH hosts, many in a process, each with a real shell. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'vitest';
import { makeKeys } from '../src/demo/keys.ts';
import { measure } from './cost.ts';
import { MAIN } from './fleetflip.ts';
import { writePages } from './pages.ts';
import { report } from './table.ts';

const COUNTS = (process.env.FLEETFLIP_BENCH_HOSTS ?? '250,500,1000').split(',').map(Number);
const PER_PROCESS = 125;

interface Crowd {
  readonly directory: string;
  readonly inventory: string;
  stop(): Promise<void>;
}

async function startCrowd(count: number): Promise<Crowd> {
  const directory = await mkdtemp('/dev/shm/fleetflip-crowd-');
  const client = makeKeys();
  await writeFile(join(directory, 'id'), client.private, { mode: 0o600 });
  const children: ChildProcess[] = [];
  const hosts: object[] = [];
  const known: string[] = [];
  for (let first = 0; first < count; first += PER_PROCESS) {
    const child = fork(join(import.meta.dirname, 'crowd.mjs'));
    children.push(child);
    child.send({ directory, first, count: Math.min(PER_PROCESS, count - first), clientKey: client.public });
    const [{ ports, hostKey }] = (await once(child, 'message')) as [{ ports: readonly number[]; hostKey: string }];
    for (const [at, port] of ports.entries()) {
      const name = `host${first + at}`;
      hosts.push({ name, address: '127.0.0.1', port, root: join(directory, name, 'www') });
      known.push(`[127.0.0.1]:${port} ${hostKey}\n`);
    }
  }
  await writeFile(join(directory, 'known_hosts'), known.join(''));
  const inventory = join(directory, 'inventory.yaml');
  const ssh = { user: 'demo', identity: 'id', knownHosts: 'known_hosts' };
  const strategy = { maxSkew: '1m', confirmWithin: '10m', stageWithin: '30m' };
  await writeFile(inventory, JSON.stringify({ app: { name: 'foo', root: '/var/www' }, ssh, strategy, hosts }));
  return {
    directory,
    inventory,
    async stop() {
      for (const child of children) child.kill();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

it('grows with simulated hosts', async () => {
  const rows: string[][] = [];
  for (const count of COUNTS) {
    const crowd = await startCrowd(count);
    try {
      const release = join(crowd.directory, 'release');
      await writePages(release);
      const words = [MAIN, 'deploy', release, '-i', crowd.inventory, '--output', 'plain'];
      const { wall, cpu, memory } = await measure('node', words);
      const each = ((wall / count) * 1000).toFixed(0);
      rows.push([String(count), wall.toFixed(1), each, cpu.toFixed(1), memory.toFixed(0)]);
    } finally {
      await crowd.stop();
    }
  }
  await report('crowd', ['simulated hosts', 'seconds', 'ms a host', 'our CPU', 'MB of memory'], rows);
});
