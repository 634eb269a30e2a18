/** Programs of this machine that tests compare with, for `describe.each`: where one is missing there is no test. */

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The program's path; nothing where it is not. With FLEETFLIP_REQUIRE_SHELLS set a missing one is an error. */
export function findProgram(name: string): readonly string[] {
  const places = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, name));
  const found = places.filter(existsSync).slice(0, 1);
  if (found.length === 0 && process.env.FLEETFLIP_REQUIRE_SHELLS) throw new Error(`${name} is not on this machine`);
  return found;
}
