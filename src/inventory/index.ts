/** An inventory file to a fleet, or every problem of it at once. */

import { homedir } from 'node:os';
import { FleetflipError } from '../domain/error.ts';
import type { Fleet } from '../domain/fleet.ts';
import { expandVariables } from './expand.ts';
import { explainIssue, locateAll } from './problems.ts';
import { readInventory } from './read.ts';
import { resolveFleet } from './resolve.ts';
import { salvage } from './salvage.ts';
import { inventorySchema } from './schema.ts';

export { jsonSchema } from './json-schema.ts';
export { inventoryTemplate } from './template.ts';
export { explainDuration, parseDuration } from './values.ts';

export interface LoadOptions {
  /** Default: the process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: the user's home directory. */
  readonly home?: string;
}

/**
 * Reads an inventory.
 * @throws FleetflipError with a failure for every problem of the file: `INVENTORY_NOT_FOUND`, `INVENTORY_SYNTAX`, ...
 */
export async function loadInventory(file: string, options: LoadOptions = {}): Promise<Fleet> {
  const { env = process.env, home = homedir() } = options;
  const { source, value } = await readInventory(file);
  const expanded = expandVariables(value, { env });
  const parsed = inventorySchema.safeParse(expanded.value);
  const issues = parsed.success ? [] : parsed.error.issues.flatMap(explainIssue);
  const { fleet, problems } = resolveFleet(parsed.success ? parsed.data : salvage(expanded.value), { file, home });
  const unset = new Set(expanded.problems.map(problem => JSON.stringify(problem.path)));
  const others = [...issues, ...problems].filter(problem => !unset.has(JSON.stringify(problem.path)));
  const all = locateAll(source, [...expanded.problems, ...others]);
  if (all.length > 0) throw new FleetflipError(all);
  return fleet;
}
