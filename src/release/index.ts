/** A release from a directory, an archive or a git ref. */

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ByteString } from '../domain/bytes.ts';
import { type Manifest, type ReleaseId, releaseId } from '../domain/release.ts';
import { isArchive, readArchive } from './archive.ts';
import { checkEntries, readContent } from './check.ts';
import { readDirectory } from './directory.ts';
import { describe, readGit } from './git.ts';
import { createIgnore, IGNORE_FILE, type Ignore } from './ignore.ts';
import { releaseError } from './problems.ts';
import type { Found, Source } from './source.ts';

export { type ArchiveOptions, writeArchive } from './tar-writer.ts';

export interface Release {
  readonly id: ReleaseId;
  readonly manifest: Manifest;
  /** For people; empty when there is none. */
  readonly label: string;
  readonly warnings: readonly string[];
  /** The bytes of a file of the manifest. */
  open(path: ByteString): AsyncIterable<Uint8Array>;
  /** Removes temporary files. */
  close(): Promise<void>;
}

export interface LoadReleaseOptions {
  /** Paths are relative to it, and its repository is the one of `git:REF`. */
  readonly cwd: string;
  readonly label?: string | undefined;
}

/**
 * Reads a release whole: a directory, a `.tar`, `.tar.gz` or `.tgz` file, or `git:REF`.
 * @throws FleetflipError with every reason to refuse it, codes `RELEASE_...`
 */
export async function loadRelease(source: string, { cwd, label }: LoadReleaseOptions): Promise<Release> {
  const opened = await openSource(source, cwd);
  try {
    const ignored = await readRules(opened.source, opened.ignored);
    const kept = opened.source.entries.filter(entry => !isIgnored(entry, ignored));
    const { manifest, contents, warnings } = await checkEntries(kept);
    return {
      id: releaseId(manifest, bytes => createHash('sha256').update(bytes).digest('hex')),
      manifest,
      label: cleanLabel(label ?? (await opened.describe())),
      warnings,
      open(path) {
        const content = contents.get(path);
        if (content === undefined) throw new Error('no file of this release');
        return readContent(content);
      },
      close: opened.source.close,
    };
  } catch (thrown) {
    await opened.source.close();
    throw thrown;
  }
}

interface Opened {
  readonly source: Source;
  /** Set when the rules were applied while reading. */
  readonly ignored: Ignore | null;
  readonly describe: () => Promise<string>;
}

async function openSource(source: string, cwd: string): Promise<Opened> {
  if (source.startsWith('git:')) {
    const ref = source.slice('git:'.length);
    return { source: await readGit(ref, cwd), ignored: null, describe: () => describe(cwd, ref) };
  }
  const path = resolve(cwd, source);
  const found = await stat(path).catch(() => null);
  if (found === null)
    throw releaseError(
      'RELEASE_NOT_FOUND',
      `there is no ${source}`,
      'Name a directory, a .tar, .tar.gz or .tgz file, or git:REF',
    );
  if (found.isDirectory()) {
    const rules = await readFile(join(path, IGNORE_FILE), 'utf8').catch(() => null);
    const ignored = createIgnore(rules);
    return { source: await readDirectory(path, ignored), ignored, describe: () => describe(path) };
  }
  if (!isArchive(path))
    throw releaseError(
      'RELEASE_NOT_ARCHIVE',
      `${source} is neither a directory nor a .tar, .tar.gz or .tgz file`,
      'Pack it with tar, or name its directory',
    );
  return { source: await readArchive(path), ignored: null, describe: () => describe(dirname(path)) };
}

async function readRules(source: Source, known: Ignore | null): Promise<Ignore> {
  if (known !== null) return known;
  const file = source.entries.find(entry => entry.kind === 'file' && entry.path === IGNORE_FILE);
  if (file?.kind !== 'file') return createIgnore(null);
  const chunks: Buffer[] = [];
  for await (const chunk of readContent(file.content)) chunks.push(chunk);
  return createIgnore(Buffer.concat(chunks).toString('utf8'));
}

/** What is below an ignored directory is ignored too. An unsafe name is kept, so that it is refused. */
function isIgnored(entry: Found, ignored: Ignore): boolean {
  const parts = entry.path.split('/');
  if (entry.path === '' || parts.some(part => part === '' || part === '.' || part === '..')) return false;
  const above = parts.slice(1).some((_, at) => ignored(parts.slice(0, at + 1).join('/'), true));
  return above || ignored(entry.path, entry.kind === 'directory');
}

function cleanLabel(label: string): string {
  return label.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '').slice(0, 100);
}
