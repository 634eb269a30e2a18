/** Three embedded hosts that serve a release, and what has to stand on their disks when one of them misbehaves. */

import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Failure } from '../../src/domain/error.ts';
import type { FleetEvent, Result } from '../../src/domain/event.ts';
import type { Fleet } from '../../src/domain/fleet.ts';
import { deploy, loadInventory } from '../../src/index.ts';
import { createSsh2Connector, type Ssh2Options } from '../../src/transport/index.ts';
import { type EmbeddedHost, startEmbeddedFleet } from '../support/embedded.ts';
import { type OnDisk, readDisk } from '../support/record.ts';
import { until } from '../support/until.ts';

export interface Release {
  readonly label: string;
  readonly path: string;
  readonly files: Readonly<Record<string, string>>;
}

export interface Ran {
  readonly release: Release;
  readonly result: Result;
  /** Kind, code and phase of what each host was told to have failed in, by host. */
  readonly failures: Readonly<Record<string, Pick<Failure, 'kind' | 'code' | 'phase'>>>;
}

export type Disks = Readonly<Record<string, OnDisk>>;

export interface RunWith {
  readonly ssh?: Partial<Ssh2Options>;
  /** Milliseconds to wait for a lock. */
  readonly wait?: number;
  readonly emit?: (event: FleetEvent) => void;
  readonly checks?: readonly string[];
  /** Characters of the file that every release changes. Default: many packets, so that a connection can end inside it. */
  readonly large?: number;
}

export interface FaultyFleet {
  readonly fleet: Fleet;
  readonly hosts: readonly EmbeddedHost[];
  host(name: string): EmbeddedHost;
  connector(options?: Partial<Ssh2Options>): ReturnType<typeof createSsh2Connector>;
  /** Deploys a release that differs from the last one in what is changed, removed and kept. */
  deployNext(how?: RunWith): Promise<Ran>;
  read(): Promise<Disks>;
  /** As `read`, once every lock is free and nothing is left of what ran; those of `busy` are not waited for. */
  readQuiet(busy?: readonly string[]): Promise<Disks>;
  /** Takes away all faults and fakes. */
  heal(): Promise<void>;
  /** All is well again: the next release goes live everywhere. */
  expectSound(busy?: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** Names that make a list long enough for a channel of its own. */
const MANY = Array.from({ length: 12 }, (_, at) => 'long-name'.repeat(20) + at);

/** @param confirmWithin milliseconds: a host's own patience, and twice the lease of a lock */
export async function startFaultyFleet(confirmWithin = 20_000): Promise<FaultyFleet> {
  const embedded = await startEmbeddedFleet(3);
  const loaded = await loadInventory(embedded.inventory);
  const fleet: Fleet = { ...loaded, strategy: { ...loaded.strategy, confirmWithin, maxSkew: 3_600_000 } };
  let count = 0;

  async function makeNext(large: number): Promise<Release> {
    count += 1;
    const label = `v${count}`;
    const files = {
      'index.html': `release ${count}`,
      'large.bin': randomBytes(large / 2).toString('hex'),
      'lib/same.txt': 'never changes',
      ...Object.fromEntries(MANY.map(name => [`lib/only-in-${count}-${name}.txt`, label])),
      current: '-> index.html',
    };
    return { label, files, path: await embedded.makeRelease(label, files) };
  }

  const connector = (options: Partial<Ssh2Options> = {}) =>
    createSsh2Connector({ env: {}, home: embedded.directory, username: 'demo', ...options });

  async function deployNext({ ssh, wait = 0, emit, checks = [], large = 600_000 }: RunWith = {}): Promise<Ran> {
    const release = await makeNext(large);
    const failures: Record<string, Pick<Failure, 'kind' | 'code' | 'phase'>> = {};
    const idle = checks.map(run => ({ run, within: 60_000 }));
    const result = await deploy({ ...fleet, checks: { ...fleet.checks, idle } }, release.path, {
      connector: connector(ssh),
      label: release.label,
      wait,
      emit(event) {
        emit?.(event);
        if (event.kind !== 'host-failed') return;
        const { kind, code, phase } = event.failure;
        failures[event.host] ??= { kind, code, phase };
      },
    });
    return { release, result, failures };
  }

  async function read(): Promise<Disks> {
    const disks = embedded.hosts.map(async ({ name, root }) => [name, await readDisk({ root, name: 'site' })] as const);
    return Object.fromEntries(await Promise.all(disks));
  }

  function readQuiet(busy: readonly string[] = []): Promise<Disks> {
    return until(async () => {
      const disks = await read();
      for (const [name, { lock, leftovers }] of Object.entries(disks).filter(([name]) => !busy.includes(name)))
        expect([name, lock, leftovers]).toEqual([name, 'free', []]);
      return disks;
    });
  }

  return {
    fleet,
    hosts: embedded.hosts,
    host: name => embedded.host(name),
    connector,
    deployNext,
    read,
    readQuiet,
    async heal() {
      for (const host of embedded.hosts) {
        await host.setFaults({});
        for (const fake of await readdir(host.bin)) await host.unfake(fake);
      }
    },
    async expectSound(busy) {
      const before = await read();
      // A host that was cut off without a word keeps its lock for as long as its lease.
      const { release, result } = await deployNext({ wait: confirmWithin });
      expect(result.hosts.map(host => host.error)).toEqual([undefined, undefined, undefined]);
      expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
      for (const [name, disk] of Object.entries(await readQuiet(busy)))
        expectLive(name, { disk, before: before[name], release });
    },
    stop: () => embedded.stop(),
  };
}

/** The host serves the release, whole, from the slot that was idle before. */
export function expectLive(
  name: string,
  { disk, before, release }: { disk: OnDisk; before: OnDisk | undefined; release: Release },
): void {
  expect([name, disk.link]).toEqual([name, otherSlot(before?.link ?? null)]);
  expect(disk.slots[disk.link ?? '']).toEqual(release.files);
  expect(disk.records[disk.link ?? '']).toBe(`verified ${release.label}`);
  expect([disk.run, disk.history.at(-1)]).toEqual(['confirmed', `committed ${release.label}`]);
}

/** What the host serves is what it served, to the letter. */
export function expectServed(name: string, { disk, before }: { disk: OnDisk; before: OnDisk | undefined }): void {
  const live = before?.link ?? '';
  expect([name, disk.link]).toEqual([name, live]);
  expect(disk.slots[live]).toEqual(before?.slots[live]);
  expect(disk.records[live]).toBe(before?.records[live]);
}

/** Every link is as it was, to the letter, and the release is marked as reverted wherever it was. */
export function expectReverted(after: Disks, { before, label }: { before: Disks; label: string }): void {
  for (const [name, disk] of Object.entries(after)) {
    expectServed(name, { disk, before: before[name] });
    expect([name, disk.run, disk.history.at(-1)]).toEqual([name, 'reverted', `reverted ${label}`]);
    expect([name, disk.records[otherSlot(disk.link)]]).toEqual([name, `verified ${label} rejected`]);
  }
}

export function otherSlot(slot: string | null): string {
  return slot === 'site_l' ? 'site_r' : 'site_l';
}
