/** The members of a tar stream with the names and sizes that the headers before them give: GNU's L and K, pax x and g. */

import type { ByteString } from '../domain/bytes.ts';
import type { ByteQueue } from './byte-queue.ts';
import { releaseError } from './problems.ts';
import { type Header, parseHeader, parsePax, untilNul } from './tar-header.ts';

export interface Member {
  readonly type: string;
  /** Without `./` before and `/` behind: empty for the root. */
  readonly path: ByteString;
  readonly target: ByteString;
  readonly mode: number;
  /** Bytes that follow, without their padding; the reader of members takes them. */
  readonly size: number;
  /** Every tar takes it for the same, and makes nothing of it that a release may not have. */
  readonly plain: boolean;
}

const BLOCK = 512;
/** Long names and pax headers beyond this are no names. */
const META_LIMIT = 1 << 20;

/**
 * Whoever asks for the next member must have taken the content of the one before from the queue.
 * @throws FleetflipError `RELEASE_CUT_SHORT`, `RELEASE_NOT_ARCHIVE`
 */
export async function* readMembers(queue: ByteQueue): AsyncGenerator<Member> {
  let global: Fields = {};
  let next: Fields = {};
  for (;;) {
    const block = await need(queue, BLOCK);
    if (isZero(block)) return expectEnd(queue);
    const header = parseHeader(block);
    if (header === null) throw notArchive('a header has a wrong checksum or number');
    if (!'LKxg'.includes(header.type)) {
      for (let more = header.extended; more; ) more = (await need(queue, BLOCK))[504] === 1;
      yield toMember(header, { ...global, ...next });
      next = {};
      continue;
    }
    const fields = parseMeta(header.type, await readMeta(queue, header));
    if (header.type === 'g') global = { ...global, ...fields };
    else next = { ...next, ...fields };
  }
}

/** `./a/` and `a` are the same name. */
export function trimName(path: ByteString): ByteString {
  if (path === '.') return '';
  const relative = path.replace(/^(?:\.\/+)+/, '');
  return relative === '/' ? relative : relative.replace(/\/+$/, '');
}

export async function need(queue: ByteQueue, size: number): Promise<Buffer> {
  const bytes = await queue.exactly(size);
  if (bytes === null) throw cutShort();
  return bytes;
}

/** Bytes up to the border of the block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

export function cutShort() {
  return releaseError('RELEASE_CUT_SHORT', 'the archive ends before its end mark', 'Make or download it again');
}

export function notArchive(why: string) {
  const what = `this is no tar archive that can be read: ${why}`;
  return releaseError('RELEASE_NOT_ARCHIVE', what, 'Make it with tar or git archive');
}

interface Fields {
  path?: ByteString;
  target?: ByteString;
  size?: number;
  sparse?: boolean;
  /** Said in a pax header, which not every tar reads. */
  pax?: boolean;
}

function toMember(header: Header, fields: Fields): Member {
  const { path = header.path, target = header.target, size = header.size, sparse = header.type === 'S' } = fields;
  const directory = header.type === '0' && path.endsWith('/');
  const holdsNothing = '125'.includes(header.type);
  return {
    type: sparse ? 'S' : directory ? '5' : header.type,
    path: trimName(path),
    target,
    mode: header.mode,
    size: holdsNothing ? 0 : size,
    plain:
      '025'.includes(header.type) &&
      !(directory && header.type === '0') &&
      !(holdsNothing && header.size !== 0) &&
      !(fields.pax || header.ambiguous) &&
      (header.mode & 0o7000) === 0,
  };
}

async function readMeta(queue: ByteQueue, header: Header): Promise<Buffer> {
  if (header.size > META_LIMIT) throw notArchive('a name is longer than a name can be');
  const data = await need(queue, header.size);
  await need(queue, padding(header.size));
  return data;
}

function parseMeta(type: string, data: Buffer): Fields {
  if (type === 'L') return { path: untilNul(data) };
  if (type === 'K') return { target: untilNul(data) };
  const records = parsePax(data);
  if (records === null) throw notArchive('a pax header cannot be read');
  const path = records.get('GNU.sparse.name') || records.get('path');
  const target = records.get('linkpath');
  const size = records.get('size');
  if (size && !(/^\d+$/.test(size) && Number.isSafeInteger(Number(size)))) throw notArchive('a pax size is no number');
  return {
    ...(path ? { path } : {}),
    ...(target ? { target } : {}),
    ...(size ? { size: Number(size) } : {}),
    ...(path || target || size ? { pax: true } : {}),
    ...([...records.keys()].some(key => key.startsWith('GNU.sparse.')) ? { sparse: true } : {}),
  };
}

async function expectEnd(queue: ByteQueue): Promise<void> {
  if (!isZero(await need(queue, BLOCK))) throw notArchive('a single empty block stands between its members');
  for (;;) {
    const chunk = await queue.some(1 << 16);
    if (chunk === null) return;
    if (!isZero(chunk)) throw notArchive('something stands behind its end');
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.every(byte => byte === 0);
}
