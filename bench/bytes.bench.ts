/** What passes on the wire to release next 15.0.1 where 15.0.0 is live, by fleetflip and by rsync. */

import { join } from 'node:path';
import { it } from 'vitest';
import { execute } from '../test/fleet/support/process.ts';
import { unpackAdjacent } from './adjacent.ts';
import { type BenchFleet, startFleet } from './fleet.ts';
import { fleetflip } from './fleetflip.ts';
import { type Meter, startMeter } from './meter.ts';
import { report } from './table.ts';

const HOSTS = 2;

it('counts the bytes of a real adjacent release', async () => {
  const fleet = await startFleet(HOSTS);
  const meters: Meter[] = [];
  try {
    for (const { address } of fleet.hosts) meters.push(await startMeter(address, fleet.port));
    const { old, next } = await unpackAdjacent(join(fleet.directory, 'releases'));
    const rows: string[][] = [];
    const add = (name: string): void => {
      const read = meters.map(meter => meter.read());
      const mb = (key: 'sent' | 'received'): string => read.map(one => (one[key] / 1e6).toFixed(2)).join(', ');
      rows.push([name, mb('sent'), mb('received')]);
    };
    const addresses = new Map(fleet.hosts.map(({ name }, at) => [name, `127.0.0.1:${meters[at]?.port}`]));
    for (const compress of ['gzip', 'none']) {
      await fleet.clear();
      const inventory = await fleet.writeInventory({ compress }, addresses);
      for (const directory of [old, next]) {
        for (const meter of meters) meter.read();
        await fleetflip(['deploy', directory, '-i', inventory]);
      }
      add(`fleetflip deploy, compress: ${compress}`);
    }
    for (const options of [['-az'], ['-a']]) {
      for (const directory of [old, next]) {
        for (const meter of meters) meter.read();
        for (const meter of meters) await rsync(fleet, meter.port, [...options, '--delete', `${directory}/`]);
      }
      add(`rsync ${options.join(' ')} --delete`);
    }
    await report('bytes', [`next 15.0.0 to 15.0.1, MB on the wire, ${HOSTS} hosts`, 'sent', 'received'], rows);
  } finally {
    for (const meter of meters) meter.stop();
    await fleet.stop();
  }
});

async function rsync(fleet: BenchFleet, port: number, words: readonly string[]): Promise<void> {
  const shell = `ssh -p ${port} -i ${fleet.identity} -o UserKnownHostsFile=${fleet.knownHosts}`;
  await execute('rsync', [...words.slice(0, -1), '-e', shell, words.at(-1) ?? '', 'deploy@127.0.0.1:/var/www/rsync/']);
}
