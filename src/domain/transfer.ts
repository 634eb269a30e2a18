/**
 * What has to happen to an idle slot so that it holds a release: what stays, what is copied from the live slot on the
 * host, what is sent, and what is removed first.
 */

import type { ByteString } from './bytes.ts';
import { type Entry, type FileEntry, type Manifest, sameEntry, type Tree, type TreeEntry } from './release.ts';

/** A slot as a host has just read it. */
export interface Scan {
  readonly manifest: Tree;
  /** Seconds since 1970, one an entry, in the manifest's order. */
  readonly times: readonly number[];
}

export interface Transfer {
  /** Removed first, in byte order; nothing below a removed directory is listed. */
  readonly remove: readonly ByteString[];
  /** Files copied from the live slot with their mtime, in byte order. */
  readonly copy: readonly ByteString[];
  /** Entries of the archive, in byte order, so that directories precede what is in them. */
  readonly send: readonly SentEntry[];
  /** Bytes of file content sent, and copied on the host. */
  readonly sendSize: number;
  readonly copySize: number;
}

export interface SentEntry {
  readonly path: ByteString;
  /** Seconds since 1970; null: the deployment's own instant. */
  readonly mtime: number | null;
  /** An older version of the file, in the live slot. */
  readonly base: FileEntry | null;
}

/** Hosts with equal keys need the same archive. */
export function archiveKey(transfer: { readonly send: readonly Omit<SentEntry, 'base'>[] }): string {
  return transfer.send.map(entry => `${entry.mtime ?? ''} ${entry.path}\0`).join('');
}

/** Hosts with equal keys need the same differences. */
export function patchKey(transfer: Transfer): string {
  return transfer.send.map(({ base }) => `${base?.sha256 ?? ''}\n`).join('') + archiveKey(transfer);
}

/**
 * @param idle what the slot to be filled holds; null when it does not exist
 * @param live what the live slot holds; null when there is none
 */
export function planTransfer(release: Manifest, idle: Scan | null, live: Scan | null): Transfer {
  const inIdle = index(idle);
  const inLive = index(live);
  const staying = new Set<ByteString>();
  const copy: ByteString[] = [];
  const send: SentEntry[] = [];
  let sendSize = 0;
  let copySize = 0;
  for (const entry of release) {
    const old = inIdle.get(entry.path);
    const served = inLive.get(entry.path);
    const unchanged = served !== undefined && sameEntry(entry, served.entry);
    if (staysInPlace(entry, old, unchanged ? served : undefined) && parentsStay(entry.path, staying, inIdle)) {
      staying.add(entry.path);
    } else if (entry.kind === 'file' && unchanged) {
      copy.push(entry.path);
      copySize += entry.size;
    } else {
      send.push({ path: entry.path, mtime: unchanged ? served.mtime : null, base: findBase(entry, served) });
      sendSize += entry.kind === 'file' ? entry.size : 0;
    }
  }
  return { remove: topmost([...inIdle.keys()].filter(path => !staying.has(path))), copy, send, sendSize, copySize };
}

interface Found {
  readonly entry: TreeEntry;
  readonly mtime: number;
}

function findBase(entry: Entry, served: Found | undefined): FileEntry | null {
  return entry.kind === 'file' && served?.entry.kind === 'file' ? served.entry : null;
}

function index(scan: Scan | null): Map<ByteString, Found> {
  return new Map((scan?.manifest ?? []).map((entry, at) => [entry.path, { entry, mtime: scan?.times[at] ?? 0 }]));
}

/** A file stays only with the live slot's mtime, because PHP's opcache and ETags go by mtime and size. */
function staysInPlace(entry: Entry, old: Found | undefined, served: Found | undefined): boolean {
  if (old === undefined || !sameEntry(entry, old.entry)) return false;
  return entry.kind !== 'file' || (served !== undefined && served.mtime === old.mtime);
}

function parentsStay(path: ByteString, staying: Set<ByteString>, inIdle: Map<ByteString, Found>): boolean {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
  return parent === '' || (staying.has(parent) && inIdle.has(parent));
}

function topmost(paths: readonly ByteString[]): ByteString[] {
  const kept = new Set<ByteString>();
  for (const path of [...paths].sort()) {
    const parts = path.split('/');
    const below = parts.some((_, depth) => depth > 0 && kept.has(parts.slice(0, depth).join('/')));
    if (!below) kept.add(path);
  }
  return [...kept];
}
