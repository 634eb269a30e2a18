/** A tar file or what `git archive` prints, as a source. */

import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { FleetflipError } from '../domain/error.ts';
import { releaseError } from './problems.ts';
import type { Source } from './source.ts';
import { readTar } from './tar-reader.ts';

export function isArchive(name: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/.test(name);
}

export async function readArchive(file: string): Promise<Source> {
  return readStream(() => createReadStream(file), !file.endsWith('.tar'));
}

/**
 * The contents are spooled to a private temporary file, which `close` removes.
 * @param open called when all is ready to read: the output of a child process that nobody reads is lost when it ends
 */
export async function readStream(open: () => Readable, gzip: boolean): Promise<Source> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-'));
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const stream = open();
  try {
    return { entries: await readTar(gzip ? unzip(stream) : stream, join(directory, 'spool')), close };
  } catch (thrown) {
    stream.destroy();
    await close();
    throw thrown instanceof FleetflipError ? thrown : translate(thrown);
  }
}

function unzip(stream: Readable): Readable {
  const gunzip = createGunzip();
  stream.on('error', error => gunzip.destroy(error));
  return stream.pipe(gunzip);
}

function translate(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const code = 'code' in thrown ? thrown.code : '';
  if (code === 'Z_BUF_ERROR')
    return releaseError('RELEASE_CUT_SHORT', 'the archive ends before its end mark', 'Make or download it again');
  if (String(code).startsWith('Z_'))
    return releaseError(
      'RELEASE_NOT_ARCHIVE',
      `this is no gzip file that can be read: ${thrown.message}`,
      'Make it with tar',
    );
  return thrown;
}
