/** The built command, run as a user does. */

import { join } from 'node:path';
import type { Result } from '../src/domain/event.ts';
import { execute } from '../test/fleet/support/process.ts';

export const MAIN = join(import.meta.dirname, '../dist/cli/main.js');

export interface Ran {
  readonly result: Result;
  /** Milliseconds by phase. */
  readonly phases: ReadonlyMap<string, number>;
}

/** @throws Error when it does not end with 0 */
export async function fleetflip(words: readonly string[], main = MAIN): Promise<Ran> {
  const said = await execute('node', [main, ...words, '--output', 'json']);
  const events = said
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  const ended = events.filter(event => event.kind === 'phase-ended');
  return { result: events.at(-1), phases: new Map(ended.map(event => [event.phase, event.took])) };
}
