/**
 * Writes the old GNU tar format, which GNU tar, busybox, bsdtar and toybox all unpack exactly, whatever the bytes of the
 * names. Own code, because the kept libraries write pax headers and names as UTF-8.
 */

import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type ByteString, toBytes } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import type { Entry, FileEntry } from '../domain/release.ts';
import type { SentEntry } from '../domain/transfer.ts';
import { explainRead, explainSpool, REFUSALS } from './problems.ts';

export interface ArchiveSource {
  readonly manifest: readonly Entry[];
  open(path: ByteString): AsyncIterable<Uint8Array>;
}

export interface ArchiveOptions {
  /** The entries to be packed, in byte order. */
  readonly entries: readonly Omit<SentEntry, 'base'>[];
  /** Unix seconds, where an entry has no mtime of its own. */
  readonly mtime: number;
  /** The file that is written. */
  readonly file: string;
}

/**
 * @returns the archive's size in bytes
 * @throws FleetflipError `RELEASE_CHANGED` when a file is no longer what the manifest says, `RELEASE_UNREADABLE`,
 * `RELEASE_SPOOL`; the file is removed then
 */
export async function writeArchive(release: ArchiveSource, options: ArchiveOptions): Promise<number> {
  const handle = await open(options.file, 'wx', 0o600).catch(thrown => Promise.reject(explainSpool(thrown)));
  const out = handle.createWriteStream();
  try {
    await pipeline(packTar(release, options), out);
    return out.bytesWritten;
  } catch (thrown) {
    await rm(options.file, { force: true });
    throw explainSpool(thrown);
  }
}

/** The bytes of the tar. Throws what `writeArchive` does. */
export async function* packTar(
  release: ArchiveSource,
  options: Omit<ArchiveOptions, 'file'>,
): AsyncGenerator<Uint8Array> {
  for await (const { header, content } of packMembers(release, options)) {
    yield header;
    yield* content;
  }
  yield TRAILER;
}

/** What ends an archive. */
export const TRAILER = Buffer.alloc(1024);

export interface PackedMember {
  readonly entry: Entry;
  readonly header: Uint8Array;
  /** Of a file, padded; read before the next member is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** @throws FleetflipError `RELEASE_CHANGED`, `RELEASE_UNREADABLE` while a content is read */
export async function* packMembers(
  release: ArchiveSource,
  { entries, mtime }: Omit<ArchiveOptions, 'file'>,
): AsyncGenerator<PackedMember> {
  const byPath = new Map(release.manifest.map(entry => [entry.path, entry]));
  for (const sent of entries) {
    const entry = byPath.get(sent.path);
    if (entry === undefined) throw new Error('an entry to be sent is not in the manifest');
    const header = headers(entry, Math.floor(sent.mtime ?? mtime));
    yield { entry, header, content: entry.kind === 'file' ? readProven(entry, release.open(entry.path)) : nothing() };
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** The content, padded. What differs from the manifest is found out before the archive ends. */
async function* readProven(entry: FileEntry, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of content) {
      hash.update(chunk);
      yield chunk;
    }
  } catch (thrown) {
    const failure = explainRead(entry.path, thrown);
    throw failure === null ? thrown : new FleetflipError(failure);
  }
  if (hash.digest('hex') !== entry.sha256) throw new FleetflipError(REFUSALS.changed(entry.path));
  yield Buffer.alloc((512 - (entry.size % 512)) % 512);
}

const TYPES = { file: '0', directory: '5', link: '2' } as const;

function headers(entry: Entry, mtime: number): Buffer {
  const path = Buffer.from(toBytes(`./${entry.path}${entry.kind === 'directory' ? '/' : ''}`));
  const target = Buffer.from(toBytes(entry.kind === 'link' ? entry.target : ''));
  const size = entry.kind === 'file' ? entry.size : 0;
  const mode = entry.kind === 'link' ? 0o777 : Number.parseInt(entry.mode, 8);
  return Buffer.concat([
    target.length > 100 ? longName('K', target) : Buffer.alloc(0),
    path.length > 100 ? longName('L', path) : Buffer.alloc(0),
    header({ path, target, size, mode, mtime, type: TYPES[entry.kind] }),
  ]);
}

function longName(type: 'K' | 'L', name: Buffer): Buffer {
  const size = name.length + 1;
  const fake = header({
    path: Buffer.from('././@LongLink'),
    target: Buffer.alloc(0),
    size,
    mode: 0o644,
    mtime: 0,
    type,
  });
  return Buffer.concat([fake, name, Buffer.alloc(512 - (name.length % 512))]);
}

interface HeaderFields {
  readonly path: Buffer;
  readonly target: Buffer;
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
  readonly type: string;
}

function header({ path, target, size, mode, mtime, type }: HeaderFields): Buffer {
  const block = Buffer.alloc(512);
  path.copy(block, 0, 0, 100);
  block.write(octal(mode, 8), 100, 'latin1');
  block.write(octal(0, 8), 108, 'latin1');
  block.write(octal(0, 8), 116, 'latin1');
  writeNumber(block.subarray(124, 136), size);
  writeNumber(block.subarray(136, 148), mtime);
  block.fill(32, 148, 156);
  block.write(type, 156, 'latin1');
  target.copy(block, 157, 0, 100);
  block.write('ustar  \0', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

/** Octal as long as it fits, then base 256 in two's complement. */
function writeNumber(field: Buffer, value: number): void {
  if (value >= 0 && value < 8 ** 11) {
    field.write(octal(value, 12), 0, 'latin1');
    return;
  }
  field.fill(value < 0 ? 0xff : 0, 0, 4);
  field[0] = value < 0 ? 0xff : 0x80;
  field.writeBigInt64BE(BigInt(value), 4);
}
