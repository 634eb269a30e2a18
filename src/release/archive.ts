/** A tar file or what `git archive` prints, as a source. */

import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { fromText } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import { errorCode, explainSpool, REFUSALS, releaseError } from './problems.ts';
import type { Source } from './source.ts';
import { readTar } from './tar-reader.ts';

export function isArchive(name: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/.test(name);
}

export interface ReadArchiveOptions {
  readonly packed: 'gzip' | 'plain';
  readonly signal?: AbortSignal | undefined;
}

/** @throws FleetflipError `RELEASE_CUT_SHORT`, `RELEASE_NOT_ARCHIVE`, `RELEASE_UNREADABLE`, `RELEASE_SPOOL` */
export async function readArchive(file: string, { packed, signal }: ReadArchiveOptions): Promise<Source> {
  const stream = createReadStream(file, { highWaterMark: 1 << 18, ...(signal && { signal }) });
  const bytes = packed === 'plain' ? stream : pipeline(stream, createGunzip(), () => undefined);
  // It may fail before its reader listens; the reader then meets the same error.
  bytes.on('error', () => undefined);
  try {
    return await readStream(bytes);
  } catch (thrown) {
    const code = errorCode(thrown);
    throw code === null ? thrown : new FleetflipError(REFUSALS.unreadable(fromText(file), code));
  } finally {
    stream.destroy();
  }
}

/** Reads a tar. The contents are spooled to a private temporary file, which `close` removes. */
export async function readStream(stream: Readable): Promise<Source> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-')).catch((thrown: unknown) => {
    stream.destroy();
    throw explainSpool(thrown);
  });
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    return { ...(await readTar(stream, join(directory, 'spool'))), close };
  } catch (thrown) {
    stream.destroy();
    await close();
    throw explainGzip(thrown);
  }
}

function explainGzip(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || !('code' in thrown)) return thrown;
  if (thrown.code === 'Z_BUF_ERROR')
    return releaseError('RELEASE_CUT_SHORT', 'the archive ends before its end mark', 'Make or download it again');
  if (!String(thrown.code).startsWith('Z_')) return thrown;
  const what = `this is no gzip file that can be read: ${thrown.message}`;
  return releaseError('RELEASE_NOT_ARCHIVE', what, 'Make it with tar');
}
