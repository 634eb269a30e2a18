import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Manifest, sameEntry, type TreeEntry } from '../../src/domain/release.ts';
import { archiveKey, planTransfer, type Scan, type Transfer } from '../../src/domain/transfer.ts';
import { manifests, parents, trees } from './trees.ts';

const INSTANT = 1000;

interface Node {
  readonly entry: TreeEntry;
  readonly mtime: number;
}

type Disk = Map<string, Node>;

const scans: fc.Arbitrary<Scan | null> = fc.option(
  trees.chain(manifest =>
    fc
      .array(fc.constantFrom(10, 20), { minLength: manifest.length, maxLength: manifest.length })
      .map(times => ({ manifest, times })),
  ),
);

/** A slot is often nearly the release: the same entries, some of them missing or of another time. */
const scenes = fc
  .tuple(manifests, scans, scans, fc.array(fc.nat({ max: 7 }), { minLength: 20, maxLength: 20 }), fc.boolean())
  .map(([release, idle, live, dice, near]) => {
    if (!near) return { release, idle, live };
    return { release, idle: resemble(release, dice, 0), live: resemble(release, dice, 7) };
  });

function resemble(release: Manifest, dice: readonly number[], shift: number): Scan {
  const roll = (at: number): number => dice[(at + shift) % dice.length] ?? 0;
  const dropped = new Set(release.filter((_, at) => roll(at) === 0).map(entry => entry.path));
  const manifest = release.filter(
    ({ path }) => !dropped.has(path) && !parents(path).some(parent => dropped.has(parent)),
  );
  return { manifest, times: manifest.map((_, at) => (roll(at) < 3 ? 20 : 10)) };
}

function toDisk(scan: Scan | null): Disk {
  return new Map((scan?.manifest ?? []).map((entry, at) => [entry.path, { entry, mtime: scan?.times[at] ?? 0 }]));
}

/** What a host does: remove, copy from the live slot, extract. Fails where it would write over something. */
function apply(
  transfer: Transfer,
  { release, idle, live }: { release: Manifest; idle: Scan | null; live: Scan | null },
): Disk {
  const disk = toDisk(idle);
  const served = toDisk(live);
  const wanted = new Map(release.map(entry => [entry.path, entry]));
  for (const path of transfer.remove) {
    expect(disk.has(path), `${path} is there to be removed`).toBe(true);
    for (const inside of [...disk.keys()]) if (inside === path || inside.startsWith(`${path}/`)) disk.delete(inside);
  }
  const place = (path: string, node: Node | undefined): void => {
    expect(node, `${path} comes from somewhere`).toBeDefined();
    expect(disk.has(path), `${path} is written into a free place`).toBe(false);
    if (node !== undefined) disk.set(path, node);
  };
  for (const path of transfer.copy) place(path, served.get(path));
  for (const { path, mtime } of transfer.send) {
    const entry = wanted.get(path);
    place(path, entry && { entry, mtime: mtime ?? INSTANT });
  }
  return disk;
}

describe('a transfer', () => {
  test('makes the idle slot exactly the release, writing over nothing', () => {
    fc.assert(
      fc.property(scenes, scene => {
        const disk = apply(planTransfer(scene.release, scene.idle, scene.live), scene);
        const entries = [...disk.values()].map(node => node.entry).sort((a, b) => (a.path < b.path ? -1 : 1));
        expect(entries).toEqual(scene.release);
      }),
      { numRuns: 1000 },
    );
  });

  test('gives a file the time that it has in the live slot, or the instant of the deployment when it changed', () => {
    fc.assert(
      fc.property(scenes, scene => {
        const disk = apply(planTransfer(scene.release, scene.idle, scene.live), scene);
        const served = toDisk(scene.live);
        for (const entry of scene.release) {
          if (entry.kind !== 'file') continue;
          const before = served.get(entry.path);
          const expected = before !== undefined && sameEntry(entry, before.entry) ? before.mtime : INSTANT;
          expect(disk.get(entry.path)?.mtime, entry.path).toBe(expected);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('keeps nothing below what is removed, and lists nothing there', () => {
    fc.assert(
      fc.property(scenes, scene => {
        const transfer = planTransfer(scene.release, scene.idle, scene.live);
        const removed = new Set(transfer.remove);
        for (const path of transfer.remove)
          expect(
            parents(path).some(parent => removed.has(parent)),
            path,
          ).toBe(false);
        const written = new Set([...transfer.copy, ...transfer.send.map(entry => entry.path)]);
        const kept = scene.release.map(entry => entry.path).filter(path => !written.has(path));
        for (const path of kept)
          expect(
            [path, ...parents(path)].some(one => removed.has(one)),
            path,
          ).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  test('is in byte order, each path once, and adds up', () => {
    fc.assert(
      fc.property(scenes, scene => {
        const transfer = planTransfer(scene.release, scene.idle, scene.live);
        const sent = transfer.send.map(entry => entry.path);
        for (const list of [transfer.remove, transfer.copy, sent]) expect([...new Set(list)].sort()).toEqual(list);
        const size = (paths: readonly string[]): number =>
          scene.release.reduce((sum, one) => sum + (one.kind === 'file' && paths.includes(one.path) ? one.size : 0), 0);
        expect(transfer.sendSize).toBe(size(sent));
        expect(transfer.copySize).toBe(size(transfer.copy));
        expect(sent.filter(path => transfer.copy.includes(path))).toEqual([]);
      }),
    );
  });

  test('into a slot that holds the live release already is nothing', () => {
    fc.assert(
      fc.property(manifests, release => {
        const scan = { manifest: release, times: release.map(() => 10) };
        expect(planTransfer(release, scan, scan)).toEqual({ remove: [], copy: [], send: [], sendSize: 0, copySize: 0 });
      }),
    );
  });

  test('sends no content that the live slot has', () => {
    fc.assert(
      fc.property(manifests, scans, (release, idle) => {
        const live = { manifest: release, times: release.map(() => 10) };
        expect(planTransfer(release, idle, live).sendSize).toBe(0);
      }),
    );
  });

  test('of a first deployment sends everything', () => {
    fc.assert(
      fc.property(manifests, release => {
        const { send, copy, remove } = planTransfer(release, null, null);
        expect({ paths: send.map(entry => entry.path), copy, remove }).toEqual({
          paths: release.map(entry => entry.path),
          copy: [],
          remove: [],
        });
      }),
    );
  });
});

test('hosts share an archive exactly when they need the same entries with the same times', () => {
  const transfer = (...send: { path: string; mtime: number | null }[]) => ({ send });
  const keys = [
    transfer(),
    transfer({ path: 'a', mtime: null }),
    transfer({ path: 'a', mtime: 0 }),
    transfer({ path: 'a', mtime: 1 }),
    transfer({ path: '1 a', mtime: null }),
    transfer({ path: 'a', mtime: null }, { path: 'b', mtime: null }),
    transfer({ path: 'a\n b', mtime: null }),
  ].map(archiveKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(archiveKey(transfer({ path: 'a', mtime: 1 }))).toBe(keys[3]);
});
