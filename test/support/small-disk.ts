/** A real file system that is soon full: a tmpfs, where this process may mount one. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether this process may mount one. */
export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const place = mkdtempSync(join(tmpdir(), 'fleetflip-mount-'));
  try {
    mountSmallDisk(place, 65_536);
    unmountSmallDisk(place);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(place);
  }
}

export function mountSmallDisk(place: string, bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'tmpfs', place], { stdio: 'pipe' });
}

export function unmountSmallDisk(place: string): void {
  execFileSync('umount', ['-l', place], { stdio: 'pipe' });
}

/** Bytes. */
export function freeSpace(place: string): number {
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize;
}
