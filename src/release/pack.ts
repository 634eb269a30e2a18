/** A release as one file, for hosts to fetch: the same release always gives the same bytes. */

import { createHash } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Release } from './index.ts';
import { errorCode, releaseError } from './problems.ts';
import { packTar } from './tar-writer.ts';

export interface Packed {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** Of the file, lower-case hex. */
  readonly sha256: string;
}

/** 1980-01-01: hosts give the files the time of their deployment. */
const MTIME = 315_532_800;

/**
 * Writes the file whole or not at all, and beside it FILE.id with the id of the release.
 * @throws FleetflipError `RELEASE_CHANGED`, `RELEASE_UNREADABLE`, `PACK_NOT_WRITABLE`
 */
export async function packRelease(release: Release, file: string): Promise<Packed> {
  const fresh = `${file}.new-${process.pid}`;
  const entries = release.manifest.map(({ path }) => ({ path, mtime: null }));
  const hash = createHash('sha256');
  try {
    const handle = await open(fresh, 'w');
    const out = handle.createWriteStream();
    await pipeline(
      packTar(release, { entries, mtime: MTIME }),
      createGzip({ level: 9 }),
      anonymise,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      out,
    );
    await writeFile(`${file}.id`, `${release.id}\n`);
    await rename(fresh, file);
    return { file, size: out.bytesWritten, sha256: hash.digest('hex') };
  } catch (thrown) {
    await rm(fresh, { force: true });
    const code = errorCode(thrown);
    if (code === null) throw thrown;
    throw releaseError('PACK_NOT_WRITABLE', `${file} cannot be written: ${code}`, 'Name another file with --to');
  }
}

/** The header of gzip names the system on which it was made; here it names none. */
async function* anonymise(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let at = 0;
  for await (const chunk of chunks) {
    if (at <= SYSTEM && SYSTEM < at + chunk.length) chunk[SYSTEM - at] = 255;
    at += chunk.length;
    yield chunk;
  }
}

const SYSTEM = 9;
