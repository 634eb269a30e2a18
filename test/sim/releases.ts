/** The releases of the simulation: one file that differs and one that is the same, and archives that are lines of facts. */

import type { FileEntry, Manifest } from '../../src/domain/release.ts';
import type { Transfer } from '../../src/domain/transfer.ts';
import { digest, idOf, textOf } from './staging.ts';

export interface SimRelease {
  readonly id: string;
  readonly label: string;
  readonly manifest: Manifest;
}

export const RELEASES: readonly SimRelease[] = ['one', 'two', 'three', 'four'].map(label => {
  const manifest = [file('index.html', label), file('same.txt', 'same'), file(`${label}.txt`, label)].sort(
    (one, other) => (one.path < other.path ? -1 : 1),
  );
  return { id: idOf(manifest), label, manifest };
});

function file(path: string, content: string): FileEntry {
  return { kind: 'file', path, mode: '644', size: content.length, sha256: digest(content) };
}

/** The messages of an archive: one a file. */
export function packLines(release: SimRelease, { send }: Transfer, instant: number): readonly Buffer[] {
  return send.flatMap(({ path, mtime }) => {
    const entry = release.manifest.find(one => one.path === path);
    return entry === undefined ? [] : [Buffer.from(`${path} ${mtime ?? instant} ${textOf(entry)}`)];
  });
}
