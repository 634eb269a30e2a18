/** A coordinator that is killed at a fault point, and what becomes of its fleet. */

import { concludeByGuards, concludeByRecover } from './aftermath.ts';
import { type Arena, parseTold } from './arena.ts';

/**
 * What comes after the kill. `guards`: they are awaited, and where they answered alike the next deployment starts without
 * anyone's hand. `recover`: it is run at once, while guards still tick.
 */
export type Aftermath = 'guards' | 'recover';

export interface Killing {
  readonly point: string;
  readonly aftermath: Aftermath;
}

export interface Killed {
  readonly violations: readonly string[];
  /** False when the run came to its end before it got to the point. */
  readonly reached: boolean;
}

/** The fault points of a deployment that nobody disturbs. */
export async function listPoints(arena: Arena): Promise<readonly string[]> {
  const release = await arena.makeRelease();
  const run = arena.prepare({ command: 'deploy', source: release.path, killAt: null });
  await run.ready;
  run.send('go\n');
  const { points, result } = parseTold((await run.end).line);
  if (result.exitCode !== 0) throw new Error(`an undisturbed deployment failed: ${JSON.stringify(result)}`);
  return points;
}

/** One run of the matrix. Afterwards the fleet is on a new release, fit for the next one. */
export async function killAt(arena: Arena, { point, aftermath }: Killing): Promise<Killed> {
  const before = await arena.readDisks();
  const release = await arena.makeRelease();
  const run = arena.prepare({ command: 'deploy', source: release.path, killAt: point });
  await run.ready;
  run.send('go\n');
  const { signal } = await run.end;
  const conclude = aftermath === 'recover' ? concludeByRecover : concludeByGuards;
  const violations = await conclude(arena, { before, release });
  return {
    violations: violations.map(what => `killed at '${point}', then ${aftermath}: ${what}`),
    reached: signal === 'SIGKILL',
  };
}
