/** From whatever was done to a deployment back to a fleet on one release, by the guards or by `recover`. */

import { type Arena, findOthers, type Release } from './arena.ts';
import type { Disk } from './disk.ts';
import { awaitGuards, awaitLocks, judgeDecider, judgeFleet, judgeLinks, readEnds } from './verdict.ts';

export interface Disturbed {
  /** The disks before the deployment. */
  readonly before: ReadonlyMap<string, Disk>;
  /** What was deployed. */
  readonly release: Release;
}

/**
 * Waits for the guards. Where they answered alike, the next deployment must start without anyone's hand; where the
 * decision did not reach every host, it must refuse, and one `recover` must be enough.
 */
export async function concludeByGuards(arena: Arena, { before, release }: Disturbed): Promise<readonly string[]> {
  const ends = readEnds(await awaitGuards(arena), before);
  const split = ends.confirmed.length > 0 && ends.others.length > 0;
  return [
    ...judgeDecider(ends, arena.hosts[0]?.name ?? ''),
    ...(split ? await recoverSplit(arena, release) : []),
    ...judgeLinks(await awaitGuards(arena)),
    ...(await deployAgain(arena, release)),
  ];
}

/** Runs `recover` as soon as the coordinator's locks are free, while guards still tick. */
export async function concludeByRecover(arena: Arena, { release }: Disturbed): Promise<readonly string[]> {
  await awaitLocks(arena);
  return [
    ...(await recoverOnce(arena)),
    ...judgeLinks(await awaitGuards(arena)),
    ...(await deployAgain(arena, release)),
  ];
}

async function recoverSplit(arena: Arena, release: Release): Promise<readonly string[]> {
  const refused = await arena.deploy(await arena.makeRelease());
  return [
    ...(refused.exitCode === 4 ? [] : [`a split fleet was deployed to: ${refused.outcome}`]),
    ...(await recoverOnce(arena)),
    ...(await findOthers(arena, release)).map(host => `${host} was not brought to the release that was decided`),
  ];
}

export async function recoverOnce(arena: Arena): Promise<readonly string[]> {
  const { exitCode, outcome, errors, hosts } = await arena.recover();
  return exitCode === 0 ? [] : [`recover ended with ${outcome}: ${JSON.stringify([errors, hosts])}`];
}

export async function deployAgain(arena: Arena, release: Release): Promise<readonly string[]> {
  const { exitCode, outcome, errors, hosts } = await arena.deploy(release);
  const failed =
    exitCode === 0 ? [] : [`the next deployment ended with ${outcome}: ${JSON.stringify([errors, hosts])}`];
  return [...failed, ...(await judgeFleet(arena, release))];
}
