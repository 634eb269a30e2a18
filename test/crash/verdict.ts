/** What must be true of a fleet after whatever was done to it. Each finding is a violation, in words. */

import { vi } from 'vitest';
import { type Arena, findOthers, type Release } from './arena.ts';
import type { Disk } from './disk.ts';

const SETTLED: readonly (string | undefined)[] = [undefined, 'confirmed', 'reverted'];

/** Longer than every guard's window, with time for a busy machine. */
const BOUND = 60_000;

/** Waits until no host is about to do anything: its guard has answered, its sessions are gone. */
export async function awaitGuards(arena: Arena): Promise<ReadonlyMap<string, Disk>> {
  return vi.waitFor(
    async () => {
      const disks = await arena.readDisks();
      for (const [host, { run, lock, writers }] of disks) {
        if (!SETTLED.includes(run?.state)) throw new Error(`${host} is not settled: ${run?.state}`);
        if (lock !== null) throw new Error(`${host} is locked: ${lock}`);
        if (writers.length > 0) throw new Error(`${host} has processes under a lock: ${writers.join(', ')}`);
      }
      return disks;
    },
    { timeout: BOUND, interval: 25 },
  );
}

/** Waits until the coordinator's end has reached every host: its locks are free. Guards may tick. */
export async function awaitLocks(arena: Arena): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const [host, { lock }] of await arena.readDisks())
        if (lock !== null) throw new Error(`${host} is locked: ${lock}`);
    },
    { timeout: BOUND, interval: 10 },
  );
}

/** Who confirmed the deployment, and who did not. A host that never heard of it did not. */
export interface Ends {
  readonly confirmed: readonly string[];
  readonly others: readonly string[];
}

export function readEnds(disks: ReadonlyMap<string, Disk>, before: ReadonlyMap<string, Disk>): Ends {
  const confirmed = [...disks].flatMap(([host, { run }]) =>
    run?.state === 'confirmed' && run.id !== before.get(host)?.run?.id ? [host] : [],
  );
  return { confirmed, others: [...disks.keys()].filter(host => !confirmed.includes(host)) };
}

/** A commit is one step on the decider: nobody has confirmed while it has not. */
export function judgeDecider({ confirmed }: Ends, decider: string): readonly string[] {
  const stray = confirmed.length > 0 && !confirmed.includes(decider);
  return stray ? [`${confirmed.join(', ')} confirmed, and the decider did not`] : [];
}

/** The fleet is on one release, to the byte, with nothing left behind. */
export async function judgeFleet(arena: Arena, release: Release): Promise<readonly string[]> {
  const others = await findOthers(arena, release);
  const disks = await arena.readDisks();
  return [
    ...others.map(host => `${host} does not serve the release`),
    ...[...disks].flatMap(([host, { run, lock }]) => [
      ...(SETTLED.includes(run?.state) ? [] : [`${host} is left ${run?.state}`]),
      ...(lock === null ? [] : [`${host} is left locked: ${lock}`]),
    ]),
  ];
}

/** Different links, or releases, of one fleet. */
export function judgeLinks(disks: ReadonlyMap<string, Disk>): readonly string[] {
  const links = [...disks].map(([host, { link }]) => `${host} -> ${link}`);
  return new Set([...disks.values()].map(({ link }) => link)).size === 1 ? [] : [`split: ${links.join(', ')}`];
}
