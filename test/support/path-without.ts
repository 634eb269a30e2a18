/** A PATH like another one, without some programs. */

import { existsSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export function pathWithout(path: string, ...programs: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'fleetflip-path-'));
  for (const folder of path.split(delimiter).filter(existsSync))
    for (const name of readdirSync(folder))
      if (!programs.includes(name) && !existsSync(join(directory, name)))
        symlinkSync(join(folder, name), join(directory, name));
  return directory;
}
