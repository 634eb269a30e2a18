/**
 * One archive for all hosts that need the same: made once, then read by each host at its own pace. Small ones are held in
 * memory, because reading a file once a host costs more than sending it.
 */

import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Packing } from '../domain/packing.ts';
import { archiveKey, patchKey, type Transfer } from '../domain/transfer.ts';
import { type Release, writeArchive, writePacked } from '../release/index.ts';
import type { Bases } from './bases.ts';

export interface Archive {
  /** Bytes. */
  readonly size: number;
  readonly open: () => NodeJS.ReadableStream;
}

export interface Packed {
  readonly packing: Packing;
  /** Asked for where the packing is patched. */
  readonly getBases: () => Promise<Bases>;
}

export interface Archives {
  /**
   * Null when nothing is to be sent.
   * @param packed null: a GNU tar
   * @throws FleetflipError `RELEASE_CHANGED`, and what `getBases` throws
   */
  get(transfer: Transfer, mtime: number, packed: Packed | null): Promise<Archive | null>;
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

  async function make(write: (file: string) => Promise<number>, number: number): Promise<Archive> {
    directory ??= mkdtemp(join(tmpdir(), 'fleetflip-'));
    const file = join(await directory, String(number));
    const size = await write(file);
    if (held + size > MEMORY) return { size, open: () => createReadStream(file, { highWaterMark: CHUNK }) };
    held += size;
    const bytes = await readFile(file);
    return { size, open: () => Readable.from(cut(bytes), { highWaterMark: 1 }) };
  }

  return {
    async get(transfer, mtime, packed) {
      if (transfer.send.length === 0) return null;
      const key = keyOf(transfer, packed?.packing ?? null);
      const write = async (file: string): Promise<number> => {
        const options = { entries: transfer.send, mtime, file };
        if (packed === null) return writeArchive(release, options);
        const { compression, patched } = packed.packing;
        return writePacked(release, { ...options, compression, bases: patched ? await packed.getBases() : null });
      };
      const archive = made.get(key) ?? make(write, made.size);
      made.set(key, archive);
      return archive;
    },
    async close() {
      await Promise.allSettled(made.values());
      if (directory !== null) await rm(await directory, { recursive: true, force: true });
    },
  };
}

function keyOf(transfer: Transfer, packing: Packing | null): string {
  if (packing === null) return archiveKey(transfer);
  return `${packing.compression} ${packing.patched ? patchKey(transfer) : archiveKey(transfer)}`;
}

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}
