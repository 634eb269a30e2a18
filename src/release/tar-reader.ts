/**
 * Reads tar archives: ustar, GNU and pax (POSIX.1-2017, "pax Interchange Format"). Own code, because names must stay bytes
 * and an archive that was cut at a member's border must be found out; the kept libraries decode names and accept the cut.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { ByteString } from '../domain/bytes.ts';
import { fromBytes } from '../domain/bytes.ts';
import { ByteQueue } from './byte-queue.ts';
import { releaseError } from './problems.ts';
import type { Content, Found } from './source.ts';
import { type Header, parseHeader, parsePax } from './tar-header.ts';

const BLOCK = 512;
/** Long names and pax headers beyond this are no names. */
const META_LIMIT = 1 << 20;

/**
 * @param spool the file that the contents are written to, one after the other
 * @throws FleetflipError `RELEASE_CUT_SHORT`, `RELEASE_NOT_ARCHIVE`
 */
export async function readTar(stream: AsyncIterable<Uint8Array>, spool: string): Promise<readonly Found[]> {
  const queue = new ByteQueue(stream);
  const out = createWriteStream(spool, { mode: 0o600 });
  await once(out, 'open');
  try {
    return await readMembers(queue, out, spool);
  } finally {
    out.end();
    await once(out, 'close');
  }
}

interface Pending {
  path?: ByteString;
  target?: ByteString;
  size?: number;
}

async function readMembers(queue: ByteQueue, out: NodeJS.WritableStream, spool: string): Promise<readonly Found[]> {
  const found: Found[] = [];
  const contents = new Map<ByteString, { content: Content; mode: number }>();
  let offset = 0;
  let pending: Pending = {};
  let global: Pending = {};
  for (;;) {
    const block = await need(queue, BLOCK);
    if (isZero(block)) {
      if (!isZero(await need(queue, BLOCK))) throw notArchive('a single empty block stands between its members');
      await expectZeros(queue);
      return found;
    }
    const header = read(block);
    if (header.type === 'L' || header.type === 'K' || header.type === 'x' || header.type === 'g') {
      const data = await readMeta(queue, header);
      if (header.type === 'L') pending.path = untilNul(data);
      else if (header.type === 'K') pending.target = untilNul(data);
      else if (header.type === 'x') pending = { ...pending, ...pax(data) };
      else global = { ...global, ...pax(data) };
      continue;
    }
    const { path = header.path, target = header.target, size = header.size } = { ...global, ...pending };
    pending = {};
    const name = trim(path);
    if (header.type === '0') {
      const content: Content = { file: spool, start: offset, size };
      await copy({ queue, out, size });
      offset += size;
      contents.set(name, { content, mode: header.mode });
      found.push({ kind: 'file', path: name, mode: header.mode, content });
      continue;
    }
    await skip(queue, header.type === '5' || header.type === '2' || header.type === '1' ? 0 : size);
    if (header.type === '5' && (name === '' || name === '.')) continue;
    found.push(other({ type: header.type, path: name, target, contents }));
  }
}

interface Other {
  readonly type: string;
  readonly path: ByteString;
  readonly target: ByteString;
  readonly contents: ReadonlyMap<ByteString, { content: Content; mode: number }>;
}

/** A hard link is the file that it names. */
function other({ type, path, target, contents }: Other): Found {
  if (type === '5') return { kind: 'directory', path };
  if (type === '2') return { kind: 'link', path, target };
  if (type === '1') {
    const linked = contents.get(trim(target));
    if (linked === undefined) throw notArchive(`the hard link ${path} names no file that came before it`);
    return { kind: 'file', path, ...linked };
  }
  const what =
    type === '3' || type === '4' ? 'device' : type === '6' ? 'fifo' : `member of type ${JSON.stringify(type)}`;
  return { kind: 'special', path, what };
}

function read(block: Buffer): Header {
  const header = parseHeader(block);
  if (header === null) throw notArchive('a header has a wrong checksum');
  return header;
}

function pax(data: Buffer): Pending {
  const records = parsePax(data);
  if (records === null) throw notArchive('a pax header cannot be read');
  const size = records.get('size');
  const path = records.get('path');
  const target = records.get('linkpath');
  return {
    ...(path === undefined ? {} : { path }),
    ...(target === undefined ? {} : { target }),
    ...(size === undefined ? {} : { size: Number(size) }),
  };
}

async function readMeta(queue: ByteQueue, header: Header): Promise<Buffer> {
  if (header.size > META_LIMIT) throw notArchive('a name is longer than a name can be');
  const data = Buffer.from(await need(queue, header.size));
  await need(queue, padding(header.size));
  return data;
}

async function copy({
  queue,
  out,
  size,
}: {
  queue: ByteQueue;
  out: NodeJS.WritableStream;
  size: number;
}): Promise<void> {
  let missing = size;
  while (missing > 0) {
    const chunk = await queue.some(missing);
    if (chunk === null) throw cutShort();
    missing -= chunk.length;
    if (!out.write(chunk)) await once(out, 'drain');
  }
  await need(queue, padding(size));
}

async function skip(queue: ByteQueue, size: number): Promise<void> {
  let missing = size + padding(size);
  while (missing > 0) {
    const chunk = await queue.some(missing);
    if (chunk === null) throw cutShort();
    missing -= chunk.length;
  }
}

async function expectZeros(queue: ByteQueue): Promise<void> {
  for (;;) {
    const chunk = await queue.some(1 << 16);
    if (chunk === null) return;
    if (!isZero(chunk)) throw notArchive('something stands behind its end');
  }
}

async function need(queue: ByteQueue, size: number): Promise<Buffer> {
  const bytes = await queue.exactly(size);
  if (bytes === null) throw cutShort();
  return bytes;
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0);
}

function untilNul(bytes: Buffer): ByteString {
  const end = bytes.indexOf(0);
  return fromBytes(end < 0 ? bytes : bytes.subarray(0, end));
}

/** `./a/` and `a` are the same name. */
function trim(path: ByteString): ByteString {
  return path.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '');
}

function cutShort() {
  return releaseError('RELEASE_CUT_SHORT', 'the archive ends before its end mark', 'Make or download it again');
}

function notArchive(why: string) {
  return releaseError(
    'RELEASE_NOT_ARCHIVE',
    `this is no tar archive that can be read: ${why}`,
    'Make it with tar or git archive',
  );
}
