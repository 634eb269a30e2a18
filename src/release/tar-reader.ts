/**
 * Reads tar archives: ustar, GNU and pax (POSIX.1-2017, "pax Interchange Format"). Own code, because names must stay bytes
 * and an archive that was cut at a member's border must be found out; the kept libraries decode names and accept the cut.
 */

import { type FileHandle, open } from 'node:fs/promises';
import { type ByteString, show } from '../domain/bytes.ts';
import { ByteQueue } from './byte-queue.ts';
import { explainSpool } from './problems.ts';
import type { Found } from './source.ts';
import { cutShort, type Member, need, notArchive, padding, readMembers, trimName } from './tar-members.ts';

export interface Tarred {
  readonly entries: readonly Found[];
  /** Every tar unpacks it into exactly these. */
  readonly plain: boolean;
}

/**
 * @param spool the file that the contents are written to, one after the other
 * @throws FleetflipError `RELEASE_CUT_SHORT`, `RELEASE_NOT_ARCHIVE`, `RELEASE_SPOOL`
 */
export async function readTar(stream: AsyncIterable<Uint8Array>, spool: string): Promise<Tarred> {
  const queue = new ByteQueue(stream);
  const out = await spooling(open(spool, 'wx', 0o600));
  const found: Found[] = [];
  const linkable = new Map<ByteString, Found>();
  let offset = 0;
  let plain = true;
  try {
    for await (const member of readMembers(queue)) {
      const { path, mode, size } = member;
      plain &&= member.plain;
      await take({ queue, size, out: member.type === '0' ? out : null });
      if (member.type === '5' && path === '') continue;
      const entry = member.type === '0' ? file({ path, mode, spool, offset, size }) : toFound(member, linkable);
      if (member.type === '0') offset += size;
      if (entry.kind === 'file' || entry.kind === 'link') linkable.set(path, entry);
      found.push(entry);
    }
    return { entries: found, plain };
  } finally {
    await out.close();
  }
}

interface FileMember {
  readonly path: ByteString;
  readonly mode: number;
  readonly spool: string;
  readonly offset: number;
  readonly size: number;
}

function file({ path, mode, spool, offset, size }: FileMember): Found {
  return { kind: 'file', path, mode, content: { file: spool, start: offset, size } };
}

function toFound({ type, path, target }: Member, linkable: ReadonlyMap<ByteString, Found>): Found {
  switch (type) {
    case '5':
      return { kind: 'directory', path };
    case '2':
      return { kind: 'link', path, target };
    case '1':
      return hardLink(path, linkable.get(trimName(target)));
    default:
      return { kind: 'special', path, what: KINDS[type] ?? `member of type ${JSON.stringify(type)}` };
  }
}

const KINDS: Readonly<Record<string, string>> = { '3': 'device', '4': 'device', '6': 'fifo', S: 'sparse file' };

/** A hard link is what it names, under another name. */
function hardLink(path: ByteString, linked: Found | undefined): Found {
  if (linked === undefined) throw notArchive(`the hard link ${show(path)} names no file that came before it`);
  return { ...linked, path };
}

interface Taking {
  readonly queue: ByteQueue;
  readonly size: number;
  /** Null: the bytes are of no use. */
  readonly out: FileHandle | null;
}

async function take({ queue, size, out }: Taking): Promise<void> {
  for (let missing = size; missing > 0; ) {
    const chunk = await queue.some(missing);
    if (chunk === null) throw cutShort();
    missing -= chunk.length;
    if (out !== null) await spooling(out.writeFile(chunk));
  }
  await need(queue, padding(size));
}

async function spooling<Value>(work: Promise<Value>): Promise<Value> {
  return work.catch((thrown: unknown) => Promise.reject(explainSpool(thrown)));
}
