/** Entries as found to entries of a manifest, or every reason to refuse. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import pMap from 'p-map';
import { type ByteString, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Entry, FileEntry, Manifest } from '../domain/release.ts';
import { REFUSALS, releaseError } from './problems.ts';
import type { Content, Found } from './source.ts';

export interface Checked {
  readonly manifest: Manifest;
  readonly contents: ReadonlyMap<ByteString, Content>;
  readonly warnings: readonly string[];
}

/** @throws FleetflipError with a failure for every entry that no release may have. */
export async function checkEntries(found: readonly Found[]): Promise<Checked> {
  const problems = [...found.flatMap(checkEntry), ...findDuplicates(found)];
  if (problems.length > 0) throw new FleetflipError(problems);
  const complete = [...found, ...impliedDirectories(found)];
  if (complete.length === 0)
    throw releaseError('RELEASE_EMPTY', 'the release is empty', 'Look at the path, and at .fleetflipignore');
  const hashed = await pMap(complete, toEntry, { concurrency: 8 });
  const failures = hashed.flatMap(result => ('failure' in result ? [result.failure] : []));
  if (failures.length > 0) throw new FleetflipError(failures);
  const manifest = hashed.flatMap(result => ('entry' in result ? [result.entry] : [])).sort(byPath);
  const files = complete.flatMap(entry => (entry.kind === 'file' ? [entry] : []));
  return {
    manifest,
    contents: new Map(files.map(file => [file.path, file.content])),
    warnings: files
      .filter(file => (file.mode & 0o7000) !== 0)
      .map(file => `${show(file.path)} loses its setuid, setgid or sticky bit`),
  };
}

/** The bytes of a file. */
export function readContent({ file, start, size }: Content): AsyncIterable<Buffer> {
  return size === 0 ? nothing() : createReadStream(file, { start, end: start + size - 1 });
}

async function* nothing(): AsyncIterable<Buffer> {}

function checkEntry(entry: Found): readonly Failure[] {
  const parts = entry.path.split('/');
  if (entry.path.includes('\0') || parts.some(part => part === '' || part === '.' || part === '..'))
    return [REFUSALS.unsafe(entry.path)];
  if (entry.kind === 'special') return [REFUSALS.special(entry.path, entry.what)];
  if (entry.kind === 'link' && escapes(parts, entry.target)) return [REFUSALS.escapes(entry.path, entry.target)];
  return [];
}

function escapes(parts: readonly string[], target: ByteString): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return true;
  let depth = parts.length - 1;
  for (const step of target.split('/')) {
    if (step === '' || step === '.') continue;
    depth += step === '..' ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

/** Directories may be named again; anything else may not, nor may a file have something below it. */
function findDuplicates(found: readonly Found[]): readonly Failure[] {
  const solid = new Set<ByteString>();
  const directories = new Set<ByteString>();
  const twice = new Set<ByteString>();
  for (const { kind, path } of found) {
    if (kind === 'directory') directories.add(path);
    else if (solid.has(path)) twice.add(path);
    else solid.add(path);
    for (const parent of parents(path)) directories.add(parent);
  }
  for (const path of directories) if (solid.has(path)) twice.add(path);
  return [...twice].map(REFUSALS.twice);
}

function impliedDirectories(found: readonly Found[]): readonly Found[] {
  const named = new Set(found.map(entry => entry.path));
  const implied = new Set(found.flatMap(entry => parents(entry.path)).filter(path => !named.has(path)));
  return [...implied].map(path => ({ kind: 'directory', path }));
}

function parents(path: ByteString): readonly ByteString[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'));
}

type Hashed = { readonly entry: Entry } | { readonly failure: Failure };

async function toEntry(found: Found): Promise<Hashed> {
  switch (found.kind) {
    case 'directory':
      return { entry: { kind: 'directory', path: found.path, mode: '755' } };
    case 'link':
      return { entry: { kind: 'link', path: found.path, target: found.target } };
    case 'file':
      return hashFile(found.path, found.mode, found.content);
    case 'special':
      return { failure: REFUSALS.special(found.path, found.what) };
  }
}

const LFS = 'version https://git-lfs.github.com/spec/';

async function hashFile(path: ByteString, mode: number, content: Content): Promise<Hashed> {
  const hash = createHash('sha256');
  let size = 0;
  let head = Buffer.alloc(0);
  const before = await stat(content.file);
  for await (const chunk of readContent(content)) {
    hash.update(chunk);
    size += chunk.length;
    if (head.length < LFS.length) head = Buffer.concat([head, chunk.subarray(0, LFS.length)]);
  }
  const after = await stat(content.file);
  if (size !== content.size || before.mtimeMs !== after.mtimeMs || before.size !== after.size)
    return { failure: REFUSALS.changed(path) };
  if (size < 1024 && head.toString('latin1').startsWith(LFS)) return { failure: REFUSALS.lfs(path) };
  const entry: FileEntry = {
    kind: 'file',
    path,
    mode: (mode & 0o111) === 0 ? '644' : '755',
    size,
    sha256: hash.digest('hex'),
  };
  return { entry };
}

function byPath(one: Entry, other: Entry): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0;
}
