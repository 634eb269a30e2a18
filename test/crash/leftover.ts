/** What a coordinator leaves that was killed in the middle of the second phase, with guards that are patient. */

import { type Arena, parseTold, type Release } from './arena.ts';

/** Where it is killed: some links moved; all moved and nothing decided; the decider alone has confirmed. */
export const LEFTOVERS = ['demo2 channel-1 hears flip', 'demo3 channel-2 hears beat', 'demo1 channel-1 hears confirm'];

/** Longer than any test: the guards do nothing. */
const WINDOW = 600_000;

export async function leaveBehind(arena: Arena, killAt: string): Promise<Release> {
  const release = await arena.makeRelease();
  const run = arena.prepare({ command: 'deploy', source: release.path, killAt, window: WINDOW });
  await run.ready;
  run.send('go\n');
  const { line, signal } = await run.end;
  if (signal !== 'SIGKILL') throw new Error(`the run did not come to '${killAt}': ${line}`);
  return release;
}

/** Runs `recover` in a process of its own; kills it at the point, if there is one. */
export async function recoverApart(arena: Arena, killAt: string | null): Promise<readonly string[] | 'killed'> {
  const run = arena.prepare({ command: 'recover', source: '', killAt });
  await run.ready;
  run.send('go\n');
  const { line, signal } = await run.end;
  if (signal === 'SIGKILL') return 'killed';
  return parseTold(line).points;
}
