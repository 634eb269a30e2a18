/** What a program costs on this side. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute, type Program } from '../test/fleet/support/process.ts';

export interface Cost {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of processor time of the program and all that it started on this side. */
  readonly cpu: number;
  /** MB of memory of its largest process. */
  readonly memory: number;
}

/** Runs a program under time(1). @throws Error when it fails */
export async function measure(program: string, args: readonly string[], options: Program = {}): Promise<Cost> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-cost-'));
  const file = join(directory, 'cost');
  try {
    await execute('/usr/bin/time', ['-q', '-o', file, '-f', '%e %U %S %M', program, ...args], options);
    const words = (await readFile(file, 'utf8')).trim().split(/\s+/);
    const [wall = 0, user = 0, system = 0, kilobytes = 0] = words.map(Number);
    return { wall, cpu: user + system, memory: kilobytes / 1024 };
  } finally {
    await rm(directory, { recursive: true });
  }
}
