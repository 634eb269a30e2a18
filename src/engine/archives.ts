/** One archive for all hosts that need the same: spooled once, then read by each host at its own pace. */

import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '../domain/release.ts';
import { archiveKey, type Transfer } from '../domain/transfer.ts';
import { type Release, writeArchive } from '../release/index.ts';

export interface Archive {
  /** Bytes. */
  readonly size: number;
  readonly open: () => NodeJS.ReadableStream;
}

export interface Archives {
  /** The whole release's. */
  readonly manifest: Manifest;
  /** Null when nothing is to be sent. @throws FleetflipError `RELEASE_CHANGED` */
  get(transfer: Transfer, mtime: number): Promise<Archive | null>;
  close(): Promise<void>;
}

export function createArchives(release: Release): Archives {
  const made = new Map<string, Promise<Archive>>();
  let directory: Promise<string> | null = null;

  async function make(transfer: Transfer, mtime: number, number: number): Promise<Archive> {
    directory ??= mkdtemp(join(tmpdir(), 'fleetflip-'));
    const file = join(await directory, `${number}.tar`);
    const size = await writeArchive(release, { entries: transfer.send, mtime, file });
    return { size, open: () => createReadStream(file, { highWaterMark: 1 << 18 }) };
  }

  return {
    manifest: release.manifest,
    async get(transfer, mtime) {
      if (transfer.send.length === 0) return null;
      const key = archiveKey(transfer);
      const archive = made.get(key) ?? make(transfer, mtime, made.size);
      made.set(key, archive);
      return archive;
    },
    async close() {
      await Promise.allSettled(made.values());
      if (directory !== null) await rm(await directory, { recursive: true, force: true });
    },
  };
}
