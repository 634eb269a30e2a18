/** An inventory file to a fleet, or every problem of it at once. */

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { LineCounter, parseDocument } from 'yaml';
import { FleetflipError } from '../domain/error.ts';
import type { Fleet } from '../domain/fleet.ts';
import { expandVariables } from './expand.ts';
import { explainIssue, locate, type Problem, type Source } from './problems.ts';
import { resolveFleet } from './resolve.ts';
import { inventorySchema } from './schema.ts';

export { inventorySchema, jsonSchema } from './schema.ts';
export { inventoryTemplate } from './template.ts';

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
  const lines = new LineCounter();
  const document = parseDocument(await readText(file), { lineCounter: lines, uniqueKeys: true });
  const source: Source = { file, document, lines };
  if (document.errors.length > 0) throw new FleetflipError(document.errors.map(error => syntaxFailure(source, error)));
  const expanded = expandVariables(document.toJS(), { env });
  const parsed = inventorySchema.safeParse(expanded.value);
  if (!parsed.success) throw report(source, [...expanded.problems, ...parsed.error.issues.flatMap(explainIssue)]);
  const { fleet, problems } = resolveFleet(parsed.data, { file, home });
  if (expanded.problems.length + problems.length > 0) throw report(source, [...expanded.problems, ...problems]);
  return fleet;
}

function report(source: Source, problems: readonly Problem[]): FleetflipError {
  return new FleetflipError(problems.map(problem => locate(source, problem)));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    const what = `the inventory ${file} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    throw new FleetflipError(
      {
        kind: 'refused',
        code: 'INVENTORY_NOT_FOUND',
        phase: 'prepare',
        what,
        hint: 'Name it with --inventory, or write one with fleetflip init',
      },
      { cause: thrown },
    );
  }
}

function syntaxFailure(
  source: Source,
  error: { message: string; linePos?: [{ line: number; col: number }, ...unknown[]] | undefined },
) {
  const { line, col } = error.linePos?.[0] ?? { line: 1, col: 1 };
  const what = `${source.file}:${line}:${col}: ${error.message.split('\n')[0]?.replace(/ at line \d+.*$/, '')}`;
  return { kind: 'refused', code: 'INVENTORY_SYNTAX', phase: 'prepare', what, hint: 'Correct the YAML' } as const;
}
