/** Entries as found to entries of a manifest, or every reason to refuse. */

import pMap from 'p-map';
import { type ByteString, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Entry, Manifest } from '../domain/release.ts';
import { hashFile } from './content.ts';
import { findEscapes } from './escapes.ts';
import { REFUSALS, releaseError } from './problems.ts';
import { type Content, type Found, isSafe, parentsOf } from './source.ts';

export interface Checked {
  readonly manifest: Manifest;
  readonly contents: ReadonlyMap<ByteString, Content>;
  readonly warnings: readonly string[];
}

/** @throws FleetflipError with a failure for everything that no release may have. */
export async function checkEntries(found: readonly Found[], signal?: AbortSignal): Promise<Checked> {
  if (found.length === 0)
    throw releaseError('RELEASE_EMPTY', 'the release is empty', 'Look at the path, and at .fleetflipignore');
  const safe = found.filter(entry => isSafe(entry.path));
  const unsafe = found.filter(entry => !isSafe(entry.path)).map(entry => REFUSALS.unsafe(entry.path));
  const checked = await pMap(safe, toEntry, { concurrency: 8, ...(signal && { signal }) });
  const failures = checked.flatMap(result => ('failure' in result ? [result.failure] : []));
  const problems = [...unsafe, ...findDuplicates(safe), ...findEscapes(safe), ...failures];
  if (problems.length > 0) throw new FleetflipError(problems);
  const files = safe.flatMap(entry => (entry.kind === 'file' ? [entry] : []));
  return {
    manifest: checked.flatMap(result => ('entry' in result ? [result.entry] : [])).sort(byPath),
    contents: new Map(files.map(file => [file.path, file.content])),
    warnings: files
      .filter(file => (file.mode & 0o7000) !== 0)
      .map(file => `${show(file.path)} loses its setuid, setgid or sticky bit`)
      .sort(),
  };
}

/** Names that are there twice, and names of something other than a directory that have something below them. */
function findDuplicates(found: readonly Found[]): readonly Failure[] {
  const named = new Set<ByteString>();
  const solid = new Set<ByteString>();
  const twice = new Set<ByteString>();
  for (const { kind, path } of found) {
    if (named.has(path)) twice.add(path);
    named.add(path);
    if (kind !== 'directory') solid.add(path);
  }
  for (const { path } of found) for (const parent of parentsOf(path)) if (solid.has(parent)) twice.add(parent);
  return [...twice].map(path => REFUSALS.twice(path));
}

async function toEntry(found: Found): Promise<{ readonly entry: Entry } | { readonly failure: Failure }> {
  switch (found.kind) {
    case 'directory':
      return { entry: { kind: 'directory', path: found.path, mode: '755' } };
    case 'link':
      return { entry: { kind: 'link', path: found.path, target: found.target } };
    case 'file':
      return hashFile(found.path, found.mode, found.content);
    case 'special':
      return { failure: REFUSALS.special(found.path, found.what) };
    case 'submodule':
      return { failure: REFUSALS.submodule(found.path) };
  }
}

function byPath(one: Entry, other: Entry): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0;
}
