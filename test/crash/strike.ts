/** Something that happens to hosts at a fault point while the coordinator lives: what it then says must be true. */

import { type Connector, deploy, type Fleet, type Result } from '../../src/index.ts';
import { tellPoints } from '../support/points.ts';
import { concludeByGuards } from './aftermath.ts';
import { type Arena, findOthers, type Release } from './arena.ts';
import type { Disk } from './disk.ts';

export interface Strike {
  readonly name: string;
  readonly point: string;
  readonly fleet: Fleet;
  readonly connector: Connector;
  readonly strike: () => void;
  readonly heal: () => void;
}

export interface WasStruck {
  readonly violations: readonly string[];
  readonly outcome: Result['outcome'];
  /** False when the run came to its end before it got to the point. */
  readonly reached: boolean;
}

/** Afterwards the fleet is on a new release, fit for the next strike. */
export async function strikeAt(
  arena: Arena,
  { name, point, fleet, connector, strike, heal }: Strike,
): Promise<WasStruck> {
  const before = await arena.readDisks();
  const release = await arena.makeRelease();
  let reached = false;
  const told = tellPoints(connector, here => {
    if (here !== point) return;
    reached = true;
    strike();
  });
  const result = await deploy(fleet, release.path, { connector: told });
  const lies = await findLies({ arena, before, release, result });
  heal();
  const violations = [...lies, ...(await concludeByGuards(arena, { before, release }))];
  const what = `${name} at '${point}', ${result.outcome}`;
  return { violations: violations.map(found => `${what}: ${found}`), outcome: result.outcome, reached };
}

interface Telling {
  readonly arena: Arena;
  readonly before: ReadonlyMap<string, Disk>;
  readonly release: Release;
  readonly result: Result;
}

/** What the result says, against the disks of this moment. */
async function findLies({ arena, before, release, result }: Telling): Promise<readonly string[]> {
  const now = await arena.readDisks();
  const others = await findOthers(arena, release);
  const isBack = (host: string): boolean => now.get(host)?.link === before.get(host)?.link;
  const open = result.hosts.filter(host => host.outcome === 'unknown' || host.outcome === 'failed');
  const lies = result.hosts.flatMap(({ name, outcome }) => {
    if (outcome === 'confirmed' && others.includes(name)) return [`${name} is said to be confirmed and is not`];
    const saidBack = outcome === 'reverted' || outcome === 'unchanged';
    return saidBack && !isBack(name) ? [`${name} is said to be ${outcome} and its link has moved`] : [];
  });
  const moved = result.hosts.map(host => host.name).filter(host => !isBack(host));
  switch (result.exitCode) {
    case 0:
      return [...lies, ...others.map(host => `exit 0, and ${host} does not serve the release`)];
    case 1:
    case 3:
      return [...lies, ...moved.map(host => `exit ${result.exitCode}, and the link of ${host} is not back`)];
    case 4:
      return open.length > 0 ? lies : [...lies, 'exit 4, and no host is named'];
    default:
      return [...lies, `exit ${result.exitCode}`];
  }
}
