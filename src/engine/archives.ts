/**
 * One archive for all hosts that need the same: made once, then read by each host at its own pace. Small ones are held in
 * memory, because reading a file once a host costs more than sending it.
 */

import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { archiveKey, type Transfer } from '../domain/transfer.ts';
import { type Release, writeArchive } from '../release/index.ts';

export interface Archive {
  /** Bytes. */
  readonly size: number;
  readonly open: () => NodeJS.ReadableStream;
}

export interface Archives {
  /** Null when nothing is to be sent. @throws FleetflipError `RELEASE_CHANGED` */
  get(transfer: Transfer, mtime: number): Promise<Archive | null>;
  close(): Promise<void>;
}

/** Bytes that the archives of a run take in memory; what is more is read from a temporary file. */
const MEMORY = 96 << 20;

/** Bytes that are handed to a connection at a time. */
const CHUNK = 1 << 17;

export function createArchives(release: Release): Archives {
  const made = new Map<string, Promise<Archive>>();
  let held = 0;
  let directory: Promise<string> | null = null;

  async function make(transfer: Transfer, mtime: number, number: number): Promise<Archive> {
    directory ??= mkdtemp(join(tmpdir(), 'fleetflip-'));
    const file = join(await directory, `${number}.tar`);
    const size = await writeArchive(release, { entries: transfer.send, mtime, file });
    if (held + size > MEMORY) return { size, open: () => createReadStream(file, { highWaterMark: CHUNK }) };
    held += size;
    const bytes = await readFile(file);
    return { size, open: () => Readable.from(cut(bytes), { highWaterMark: 1 }) };
  }

  return {
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

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}
