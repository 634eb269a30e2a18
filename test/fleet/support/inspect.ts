/** What is on the disks of a fleet. */

import type { TestFleet, TestHost } from './fleet.ts';
import { execute } from './process.ts';

/** What every live link says, by host. */
export async function readLinks(fleet: TestFleet): Promise<Record<string, string>> {
  return Object.fromEntries(await Promise.all(fleet.hosts.map(async host => [host.name, await host.readLink()])));
}

/** What `diff -r` says about the release and a slot, or the live link when none is named; empty when they are equal. */
export async function compare(release: string, host: TestHost, slot = 'foo/.'): Promise<string> {
  return execute('diff', ['-r', release, await host.show(`${host.root}/${slot}`)], { accept: [1] });
}

/** The same on every host. Only those hosts are in it that differ. */
export async function compareAll(release: string, fleet: TestFleet, slot?: string): Promise<Record<string, string>> {
  const found = await Promise.all(fleet.hosts.map(async host => [host.name, await compare(release, host, slot)]));
  return Object.fromEntries(found.filter(([, difference]) => difference !== ''));
}

export type Snapshot = ReadonlyMap<string, readonly string[]>;

/** Everything that is on every host, the homes and the directories of temporary files included. */
export async function takeSnapshot(fleet: TestFleet): Promise<Snapshot> {
  return new Map(await Promise.all(fleet.hosts.map(async host => [host.name, await host.list()] as const)));
}

/** What is there in one of them only; empty when nothing was changed. */
export function listChanges(before: Snapshot, after: Snapshot): readonly string[] {
  return [...after].flatMap(([host, lines]) => {
    const earlier = before.get(host) ?? [];
    return [
      ...without(earlier, lines).map(line => `${host} was: ${line}`),
      ...without(lines, earlier).map(line => `${host} is: ${line}`),
    ];
  });
}

function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others);
  return lines.filter(line => !known.has(line));
}
