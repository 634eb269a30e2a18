/**
 * Two real releases that followed each other: next 15.0.0 and 15.0.1, unpacked. FLEETFLIP_BENCH_NEXT is a directory with both
 * packages: `npm pack next@15.0.0 next@15.0.1`.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../test/fleet/support/process.ts';

export interface Adjacent {
  readonly old: string;
  readonly next: string;
}

/** @param place a directory that is made */
export async function unpackAdjacent(place: string): Promise<Adjacent> {
  const packages = process.env.FLEETFLIP_BENCH_NEXT;
  if (packages === undefined)
    throw new Error('FLEETFLIP_BENCH_NEXT names no directory with next-15.0.0.tgz and next-15.0.1.tgz');
  const [old, next] = [join(place, 'old'), join(place, 'next')];
  for (const [directory, version] of [
    [old, '15.0.0'],
    [next, '15.0.1'],
  ] as const) {
    await mkdir(directory, { recursive: true });
    const file = join(packages, `next-${version}.tgz`);
    await execute('tar', ['-xzf', file, '-C', directory, '--strip-components=1', '--no-same-owner']);
    await execute('chmod', ['-R', 'u=rwX,go=rX', directory]);
  }
  return { old, next };
}
