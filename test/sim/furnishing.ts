/** What a world begins with: the fleet, and what is on its hosts. */

import type { Fleet } from '../../src/domain/fleet.ts';
import { directoryOf, type Host, LOCKS, NAME, RECORD, ROOT, SLOTS } from './host.ts';
import { RELEASES, type SimRelease } from './releases.ts';
import type { Scenario } from './scenario.ts';
import { textOf } from './staging.ts';

export function describeFleet(names: readonly string[], window: number): Fleet {
  const app = { name: NAME, root: '/www', slots: [...SLOTS] };
  const ssh = { port: 22, identity: [], knownHosts: '/', hostKeys: 'strict' as const, jump: [] };
  const hosts = names.map(name => ({ name, address: name, tags: [], app, ssh }));
  const strategy = {
    parallel: 8,
    stageWithin: 120_000,
    confirmWithin: window,
    maxSkew: 1_000,
    compress: 'auto',
  } as const;
  return { app, hosts, strategy, checks: { idle: [] } };
}

export function furnish({ disk }: Host, start: Scenario['start']): void {
  for (const directory of [ROOT, RECORD, 'history', LOCKS]) disk.make(directory);
  disk.flush();
  const [first, second] = RELEASES;
  if (start === 'nothing' || first === undefined || second === undefined) return;
  disk.put(RECORD, 'agent', { kind: 'file', text: '', mtime: 0 });
  fill(disk, 'foo_l', first, '');
  if (start !== 'one') fill(disk, 'foo_r', second, 'previous');
  disk.makeLink(ROOT, NAME, start === 'odd text' ? './foo_l/' : 'foo_l');
  disk.flush();
}

function fill(disk: Host['disk'], slot: string, release: SimRelease, role: string): void {
  disk.make(directoryOf(slot));
  for (const entry of release.manifest)
    disk.put(directoryOf(slot), entry.path, { kind: 'file', text: textOf(entry), mtime: 1 });
  const fields = {
    state: 'verified',
    release: release.id,
    label: release.label,
    role,
    found: 'no',
    at: '1',
    boot: '1',
  };
  disk.put(RECORD, `slot.${slot}`, { kind: 'record', fields });
}
