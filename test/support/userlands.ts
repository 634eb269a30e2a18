/** The shells and tools that hosts have: each a PATH in which `sh` is another one. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Userland {
  readonly name: string;
  readonly path: string;
}

const SHELLS: readonly (readonly [string, readonly string[]])[] = [
  ['dash', ['/bin/dash', '/usr/bin/dash']],
  ['bash', ['/bin/bash', '/usr/bin/bash', '/usr/local/bin/bash']],
  ['busybox', ['/bin/busybox', '/usr/bin/busybox']],
];

/**
 * Those that are here; the machine's own sh where none is. With FLEETFLIP_REQUIRE_SHELLS set a missing one is an error.
 */
export function findUserlands(): readonly Userland[] {
  const found = SHELLS.flatMap(([name, places]) => {
    const program = places.find(existsSync);
    if (program === undefined && process.env.FLEETFLIP_REQUIRE_SHELLS)
      throw new Error(`${name} is not on this machine`);
    return program === undefined ? [] : [make(name, program)];
  });
  return found.length > 0 ? found : [{ name: 'sh', path: process.env.PATH ?? '' }];
}

function make(name: string, program: string): Userland {
  const directory = mkdtempSync(join(tmpdir(), `fleetflip-${name}-`));
  if (name !== 'busybox') {
    symlinkSync(program, join(directory, 'sh'));
    return { name, path: `${directory}:${process.env.PATH}` };
  }
  mkdirSync(directory, { recursive: true });
  execFileSync(program, ['--install', '-s', directory]);
  return { name: 'busybox and its tools', path: directory };
}
