/** A release from a directory, an archive, a URL or a git ref. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ArtifactSource, showUrl } from '../domain/artifact.ts';
import type { ByteString } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import { type Manifest, type ReleaseId, releaseId } from '../domain/release.ts';
import { isArchive, readArchive } from './archive.ts';
import { checkEntries } from './check.ts';
import { readContent } from './content.ts';
import { readDirectory, readDirectoryRules } from './directory.ts';
import { describe, readGit } from './git.ts';
import { createIgnore, IGNORE_FILE, type Ignore } from './ignore.ts';
import { REFUSALS, releaseError } from './problems.ts';
import { type Artifact, labelOf, type RemoteSource, readRemote, readSource } from './remote.ts';
import { type Found, isSafe, type Source, withParents } from './source.ts';

export { type Packed, packRelease } from './pack.ts';
export { canZstd, type PackedOptions, writePacked } from './packed-writer.ts';
export type { Artifact } from './remote.ts';
export { type ArchiveOptions, writeArchive } from './tar-writer.ts';

export interface Release {
  readonly id: ReleaseId;
  readonly manifest: Manifest;
  /** For people; empty when there is none. */
  readonly label: string;
  readonly warnings: readonly string[];
  /** What hosts can fetch themselves; null when it comes from this machine. */
  readonly artifact: Artifact | null;
  /** The bytes of a file of the manifest. */
  open(path: ByteString): AsyncIterable<Uint8Array>;
  /** Removes temporary files. */
  close(): Promise<void>;
}

export interface LoadReleaseOptions {
  /** Paths are relative to it, and its repository is the one of `git:REF`. */
  readonly cwd: string;
  readonly label?: string | undefined;
  /** Ends the reading; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a release whole: a directory, a `.tar`, `.tar.gz` or `.tgz` file, an http or https URL of one, or `git:REF`.
 * @throws FleetflipError with every reason to refuse it, codes `RELEASE_...`
 */
export async function loadRelease(named: string | ArtifactSource, options: LoadReleaseOptions): Promise<Release> {
  options.signal?.throwIfAborted();
  const source = readSource(named);
  let opened: Opened | undefined;
  try {
    opened = typeof source === 'string' ? await openSource(source, options) : await openRemote(source, options);
    const release = await buildRelease(opened, options);
    if (typeof source !== 'string') checkId(source, release);
    return release;
  } catch (thrown) {
    await opened?.source.close();
    throw options.signal?.aborted ? options.signal.reason : thrown;
  }
}

interface Opened {
  readonly source: Source;
  /** Set when the rules were applied while reading. */
  readonly ignored: Ignore | null;
  readonly describe: () => Promise<string>;
  readonly remote?: RemoteSource;
}

async function buildRelease(opened: Opened, { label, signal }: LoadReleaseOptions): Promise<Release> {
  const ignored = opened.ignored ?? (await readRules(opened.source));
  const all = withParents(opened.source.entries);
  const kept = all.filter(entry => !isIgnored(entry, ignored));
  const { manifest, contents, warnings } = await checkEntries(kept, signal);
  return {
    id: releaseId(manifest, bytes => createHash('sha256').update(bytes).digest('hex')),
    manifest,
    label: cleanLabel(label ?? (await opened.describe())),
    warnings,
    artifact: opened.remote === undefined ? null : toArtifact(opened.remote, kept.length === all.length),
    open(path) {
      const content = contents.get(path);
      if (content === undefined) throw new Error('no file of this release');
      return readContent(content);
    },
    close: () => opened.source.close(),
  };
}

async function openSource(source: string, { cwd, signal }: LoadReleaseOptions): Promise<Opened> {
  if (source.startsWith('git:')) {
    const git = await readGit(source.slice('git:'.length), cwd, signal);
    return { source: git, ignored: null, describe: () => describe(cwd, git.commit) };
  }
  const path = resolve(cwd, source);
  // An empty variable of a script must not mean the working directory.
  const found = source === '' ? null : await stat(path).catch(() => null);
  if (found === null) {
    const hint = 'Name a directory, a .tar, .tar.gz or .tgz file, a URL, or git:REF';
    throw releaseError('RELEASE_NOT_FOUND', source === '' ? 'no release is named' : `there is no ${source}`, hint);
  }
  if (found.isDirectory()) {
    const ignored = await readDirectoryRules(path);
    return { source: await readDirectory(path, { ignored, signal }), ignored, describe: () => describe(path) };
  }
  if (!found.isFile() || !isArchive(path)) {
    const what = `${source} is neither a directory nor a .tar, .tar.gz or .tgz file`;
    throw releaseError('RELEASE_NOT_ARCHIVE', what, 'Pack it with tar, or name its directory');
  }
  const packed = path.endsWith('.tar') ? 'plain' : 'gzip';
  return {
    source: await readArchive(path, { packed, signal }),
    ignored: null,
    describe: () => describe(dirname(path)),
  };
}

async function openRemote(source: ArtifactSource, { signal }: LoadReleaseOptions): Promise<Opened> {
  const remote = await readRemote(source, signal);
  return { source: remote, remote, ignored: null, describe: async () => labelOf(source) };
}

function toArtifact({ artifact, encoded, plain }: RemoteSource, complete: boolean): Artifact {
  const unfit = encoded
    ? 'its server encodes it once more while it sends it'
    : !complete
      ? 'parts of it are left out by .fleetflipignore or because they are of git'
      : plain
        ? null
        : 'not every tar unpacks it into the same';
  return { ...artifact, unfit };
}

function checkId({ url, release }: ArtifactSource, { id }: Release): void {
  if (release === null || release === id) return;
  const hint = 'Look at what stands there, or correct the id';
  throw releaseError('RELEASE_MISMATCH', `${showUrl(url)} holds ${id}, and ${release} was asked for`, hint);
}

async function readRules(source: Source): Promise<Ignore> {
  const rules = source.entries.find(entry => entry.path === IGNORE_FILE || entry.path.startsWith(`${IGNORE_FILE}/`));
  if (rules === undefined) return createIgnore(null);
  if (rules.kind !== 'file' || rules.path !== IGNORE_FILE) throw new FleetflipError(REFUSALS.ignoreFile());
  const chunks: Buffer[] = [];
  for await (const chunk of readContent(rules.content)) chunks.push(chunk);
  return createIgnore(Buffer.concat(chunks));
}

/** An unsafe name is kept, so that it is refused. */
function isIgnored(entry: Found, ignored: Ignore): boolean {
  return isSafe(entry.path) && ignored(entry.path, entry.kind === 'directory' || entry.kind === 'submodule');
}

function cleanLabel(label: string): string {
  const characters = label.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').trim();
  return [...characters].slice(0, 100).join('');
}
