/**
 * Writes an archive as it travels over slow links: compressed, and with differences in place of files of which the host has
 * an older version. What is written then is the program by which the host makes the archive (docs/protocol.md).
 */

import { createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { createDelta } from 'fossil-delta';
import { type ByteString, toBytes } from '../domain/bytes.ts';
import { explainSpool } from './problems.ts';
import {
  type ArchiveOptions,
  type ArchiveSource,
  type PackedMember,
  packMembers,
  packTar,
  TRAILER,
} from './tar-writer.ts';

export interface PackedOptions extends ArchiveOptions {
  readonly compression: 'gzip' | 'zstd';
  /** Older versions that the host has, by path; null: it gets the archive itself. */
  readonly bases: ReadonlyMap<ByteString, Uint8Array> | null;
}

/** Since Node 22.15. */
const createZstd = (zlib as { createZstdCompress?: () => Transform }).createZstdCompress;

export const canZstd = createZstd !== undefined;

/** Bytes; the difference of a larger file is not looked for. */
const PATCHABLE = 64 << 20;

/**
 * @returns the size in bytes
 * @throws FleetflipError `RELEASE_CHANGED`, `RELEASE_UNREADABLE`, `RELEASE_SPOOL`; the file is removed then
 */
export async function writePacked(release: ArchiveSource, options: PackedOptions): Promise<number> {
  const { file, compression, bases } = options;
  const bytes = bases === null ? packTar(release, options) : patch(packMembers(release, options), bases);
  const packer = compression === 'zstd' && createZstd !== undefined ? createZstd() : zlib.createGzip();
  try {
    await pipeline(
      Readable.from(bytes, { objectMode: false, highWaterMark: 1 << 18 }),
      packer,
      createWriteStream(file, { flags: 'wx', mode: 0o600 }),
    );
    return (await stat(file)).size;
  } catch (thrown) {
    await rm(file, { force: true });
    throw explainSpool(thrown);
  }
}

async function* patch(members: AsyncIterable<PackedMember>, bases: ReadonlyMap<ByteString, Uint8Array>) {
  for await (const { header, entry, content } of members) {
    yield* bytes(header);
    const base = bases.get(entry.path);
    if (entry.kind !== 'file' || base === undefined || entry.size > PATCHABLE) {
      for await (const chunk of content) yield* bytes(chunk);
      continue;
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    yield* difference(entry.path, base, Buffer.concat(chunks));
  }
  yield* bytes(TRAILER);
  yield Buffer.from('end\n');
}

function* bytes(chunk: Uint8Array): Generator<Uint8Array> {
  if (chunk.length === 0) return;
  yield Buffer.from(`bytes ${chunk.length}\n`);
  yield chunk;
}

function* difference(path: ByteString, base: Uint8Array, whole: Uint8Array): Generator<Uint8Array> {
  const delta = createDelta(base, whole);
  if (delta.length >= whole.length) return yield* bytes(whole);
  const name = toBytes(path);
  yield Buffer.from(`file ${name.length} ${delta.length}\n`);
  yield name;
  yield delta;
}
