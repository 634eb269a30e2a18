/** A coordinator that is killed at a fault point, and what becomes of its fleet. */

import { type Arena, findOthers, parseTold, type Release } from './arena.ts';
import { awaitGuards, judgeDecider, judgeFleet, judgeLinks, readEnds } from './verdict.ts';

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
  readonly recovered: boolean;
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
  const reached = signal === 'SIGKILL';
  const violations: string[] = [];
  let recovered = aftermath === 'recover';
  if (aftermath === 'recover') {
    const { exitCode, outcome, errors, hosts } = await arena.recover();
    if (exitCode !== 0) violations.push(`recover ended with ${outcome}: ${JSON.stringify([errors, hosts])}`);
  } else {
    const ends = readEnds(await awaitGuards(arena), before);
    violations.push(...judgeDecider(ends, arena.hosts[0]?.name ?? ''));
    recovered = ends.confirmed.length > 0 && ends.others.length > 0;
    if (recovered) violations.push(...(await recoverSplit(arena, release)));
  }
  const disks = await awaitGuards(arena);
  violations.push(...judgeLinks(disks), ...(await deployAgain(arena, release)));
  return { violations: violations.map(what => `killed at '${point}', then ${aftermath}: ${what}`), reached, recovered };
}

/** The decision did not reach every host: deploy refuses and names recover, which then brings all to the release. */
async function recoverSplit(arena: Arena, release: Release): Promise<readonly string[]> {
  const refused = await arena.deploy(await arena.makeRelease());
  const settled = await arena.recover();
  return [
    ...(refused.exitCode === 4 ? [] : [`a split fleet was deployed to: ${refused.outcome}`]),
    ...(settled.exitCode === 0 ? [] : [`recover ended with ${settled.outcome}: ${JSON.stringify(settled)}`]),
    ...(await findOthers(arena, release)).map(host => `${host} was not brought to the release that was decided`),
  ];
}

async function deployAgain(arena: Arena, release: Release): Promise<readonly string[]> {
  const again = await arena.deploy(release);
  const failed =
    again.exitCode === 0 ? [] : [`the next deployment ended with ${again.outcome}: ${JSON.stringify(again)}`];
  return [...failed, ...(await judgeFleet(arena, release))];
}
