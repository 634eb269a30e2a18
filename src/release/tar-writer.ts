/**
 * Writes the old GNU tar format, which GNU tar, busybox, bsdtar and toybox all unpack exactly, whatever the bytes of the
 * names. Own code, because the kept libraries write pax headers and names as UTF-8.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type ByteString, toBytes } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import type { Entry } from '../domain/release.ts';
import type { SentEntry } from '../domain/transfer.ts';
import { REFUSALS } from './problems.ts';

export interface ArchiveSource {
  readonly manifest: readonly Entry[];
  open(path: ByteString): AsyncIterable<Uint8Array>;
}

export interface ArchiveOptions {
  /** The entries to be packed, in byte order. */
  readonly entries: readonly SentEntry[];
  /** Unix seconds, where an entry has no mtime of its own. */
  readonly mtime: number;
  /** The file that is written. */
  readonly file: string;
}

/**
 * @returns the archive's size in bytes
 * @throws FleetflipError `RELEASE_CHANGED` when a file is no longer what the manifest says
 */
export async function writeArchive(release: ArchiveSource, options: ArchiveOptions): Promise<number> {
  const byPath = new Map(release.manifest.map(entry => [entry.path, entry]));
  const out = createWriteStream(options.file, { mode: 0o600 });
  let size = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    size += bytes.length;
    if (!out.write(bytes)) await once(out, 'drain');
  };
  try {
    for (const sent of options.entries) {
      const entry = byPath.get(sent.path);
      if (entry === undefined) throw new Error('an entry to be sent is not in the manifest');
      await write(headers(entry, sent.mtime ?? options.mtime));
      if (entry.kind === 'file') await writeContent({ entry, content: release.open(entry.path), write });
    }
    await write(Buffer.alloc(1024));
  } finally {
    out.end();
    await once(out, 'close');
  }
  return size;
}

interface Writing {
  readonly entry: Extract<Entry, { kind: 'file' }>;
  readonly content: AsyncIterable<Uint8Array>;
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

async function writeContent({ entry, content, write }: Writing): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    hash.update(chunk);
    await write(chunk);
  }
  if (hash.digest('hex') !== entry.sha256) throw new FleetflipError(REFUSALS.changed(entry.path));
  await write(Buffer.alloc((512 - (entry.size % 512)) % 512));
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

/** Octal as long as it fits, then base 256. */
function writeNumber(field: Buffer, value: number): void {
  if (value < 8 ** 11) {
    field.write(octal(value, 12), 0, 'latin1');
    return;
  }
  field[0] = 0x80;
  field.writeBigUInt64BE(BigInt(value), 4);
}
