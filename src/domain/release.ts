/**
 * A release as data: its manifest, the bytes that the manifest is written as (docs/protocol.md), and the difference of two.
 * A host that scans a slot writes the same bytes, so that equal ids prove equal trees.
 */

import { type ByteString, fromBytes, toBytes } from './bytes.ts';

export type Entry = FileEntry | DirectoryEntry | LinkEntry;

/** What a host may find in a slot. */
export type TreeEntry = Entry | OtherEntry;

export interface FileEntry {
  readonly kind: 'file';
  /** Relative, `/` between parts, without a leading `./`. */
  readonly path: ByteString;
  /** Permission bits as octal text without a leading zero. In a release: `644` or `755`. */
  readonly mode: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface DirectoryEntry {
  readonly kind: 'directory';
  readonly path: ByteString;
  readonly mode: string;
}

export interface LinkEntry {
  readonly kind: 'link';
  readonly path: ByteString;
  readonly target: ByteString;
}

/** A device, socket or fifo: found on hosts, never in a release, and equal to nothing. */
export interface OtherEntry {
  readonly kind: 'other';
  readonly path: ByteString;
}

/** Entries in byte order of their paths, each path once. */
export type Manifest = readonly Entry[];

/** The same of a slot as it is on a host. */
export type Tree = readonly TreeEntry[];

/** `sha256:<64 hex digits>` */
export type ReleaseId = string;

export type Digest = (bytes: Uint8Array) => string;

const HEADER = 'fleetflip manifest 1\n';

/** @param digest lower-case hex SHA-256 of bytes, handed in because this floor has no IO. */
export function releaseId(manifest: Tree, digest: Digest): ReleaseId {
  return `sha256:${digest(encodeManifest(manifest))}`;
}

/**
 * The canonical bytes: the header, a line an entry (`f MODE SIZE SHA256`, `d MODE`, `l` or `x`), an empty line, then every
 * path as `./PATH` and every link's target, each ended by NUL.
 */
export function encodeManifest(manifest: Tree): Uint8Array {
  const lines = manifest.map(entry => `${line(entry)}\n`).join('');
  const names = manifest.map(entry => `./${entry.path}\0`).join('');
  const targets = manifest.map(entry => (entry.kind === 'link' ? `${entry.target}\0` : '')).join('');
  return toBytes(`${HEADER}${lines}\n${names}${targets}`);
}

/**
 * @throws Error when the bytes are not exactly one canonical manifest.
 */
export function decodeManifest(bytes: Uint8Array): Tree {
  const text = fromBytes(bytes);
  if (!text.startsWith(HEADER)) throw new Error('not a manifest: wrong header');
  const end = text.startsWith('\n', HEADER.length) ? HEADER.length - 1 : text.indexOf('\n\n', HEADER.length - 1);
  if (end < 0) throw new Error('not a manifest: no end of the table');
  const lines = end < HEADER.length ? [] : text.slice(HEADER.length, end).split('\n');
  const strings = text.slice(end + 2).split('\0');
  if (strings.pop() !== '') throw new Error('not a manifest: cut short');
  let nextTarget = lines.length;
  const manifest = lines.map((text, at) => parseEntry(text, strings[at], () => strings[nextTarget++]));
  if (nextTarget !== strings.length) throw new Error('not a manifest: names and table differ in number');
  if (!isOrdered(manifest)) throw new Error('not a manifest: names are not in order, each once');
  return manifest;
}

export interface ManifestDifference {
  /** In expected only. */
  readonly missing: readonly ByteString[];
  /** In both, but not the same. */
  readonly changed: readonly ByteString[];
  /** In actual only. */
  readonly extra: readonly ByteString[];
}

export function diffManifests(expected: Tree, actual: Tree): ManifestDifference {
  const found = new Map(actual.map(entry => [entry.path, entry]));
  const wanted = new Set(expected.map(entry => entry.path));
  return {
    missing: expected.filter(entry => !found.has(entry.path)).map(entry => entry.path),
    changed: expected.filter(entry => differs(entry, found.get(entry.path))).map(entry => entry.path),
    extra: actual.filter(entry => !wanted.has(entry.path)).map(entry => entry.path),
  };
}

/** True when nothing differs. */
export function isSame(difference: ManifestDifference): boolean {
  return difference.missing.length + difference.changed.length + difference.extra.length === 0;
}

/** Same kind, mode and content; the mtime is not part of an entry. */
export function sameEntry(one: TreeEntry, other: TreeEntry): boolean {
  if (one.kind === 'other') return false;
  return line(one) === line(other) && (one.kind !== 'link' || other.kind !== 'link' || one.target === other.target);
}

/** Bytes of all files. */
export function totalSize(manifest: Tree): number {
  return manifest.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
}

function differs(entry: TreeEntry, actual: TreeEntry | undefined): boolean {
  return actual !== undefined && !sameEntry(entry, actual);
}

function line(entry: TreeEntry): string {
  switch (entry.kind) {
    case 'file':
      return `f ${entry.mode} ${entry.size} ${entry.sha256}`;
    case 'directory':
      return `d ${entry.mode}`;
    case 'link':
      return 'l';
    case 'other':
      return 'x';
  }
}

function isOrdered(manifest: Tree): boolean {
  return manifest.every((entry, at) => at === 0 || (manifest[at - 1]?.path ?? '') < entry.path);
}

/** Numbers and modes have one way to be written, so that what is read is the bytes' only meaning. */
function parseEntry(text: string, name: string | undefined, target: () => string | undefined): TreeEntry {
  if (name === undefined || !/^\.\/./s.test(name)) throw new Error('not a manifest: a name is missing');
  const path = name.slice(2);
  const file = /^f (0|[1-7][0-7]{0,3}) (0|[1-9]\d{0,15}) ([0-9a-f]{64})$/.exec(text);
  if (file && Number.isSafeInteger(Number(file[2])))
    return { kind: 'file', path, mode: file[1] ?? '', size: Number(file[2]), sha256: file[3] ?? '' };
  const directory = /^d (0|[1-7][0-7]{0,3})$/.exec(text);
  if (directory) return { kind: 'directory', path, mode: directory[1] ?? '' };
  if (text === 'x') return { kind: 'other', path };
  const link = text === 'l' ? target() : undefined;
  if (link !== undefined) return { kind: 'link', path, target: link };
  throw new Error(`not a manifest: line ${JSON.stringify(text)}`);
}
