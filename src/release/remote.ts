/** A release at a URL: the artifact is brought here once, so that its manifest and its digest are known. */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArtifactSource, isUrl, readUrl, showUrl } from '../domain/artifact.ts';
import { FleetflipError } from '../domain/error.ts';
import { readArchive } from './archive.ts';
import { download } from './download.ts';
import { explainSpool, releaseError } from './problems.ts';
import type { Source } from './source.ts';

/** What a host needs to know to fetch it, and to be sure of it. */
export interface Artifact {
  /** With its secrets: only hosts are told. */
  readonly url: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly packed: Packing;
  /** Why a host cannot unpack it into exactly this release; null: it can. */
  readonly unfit: string | null;
}

export type Packing = 'gzip' | 'plain';

export interface RemoteSource extends Source {
  readonly artifact: Omit<Artifact, 'unfit'>;
  readonly encoded: boolean;
}

/** @throws FleetflipError `RELEASE_URL` */
export function readSource(source: string | ArtifactSource): string | ArtifactSource {
  if (typeof source !== 'string' || !isUrl(source)) return source;
  const reading = readUrl(source);
  if ('source' in reading) return reading.source;
  throw releaseError('RELEASE_URL', `the release's URL ${reading.mistake[0]}`, reading.mistake[1]);
}

/** @throws FleetflipError for what cannot be fetched or read */
export async function readRemote(source: ArtifactSource, signal?: AbortSignal): Promise<RemoteSource> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-')).catch(thrown => Promise.reject(explainSpool(thrown)));
  const file = join(directory, 'artifact');
  try {
    const { size, sha256, encoded } = await download(source.url, { file, signal });
    const packed = await findPacking(file);
    const read = await readArchive(file, { packed, signal }).catch(thrown =>
      Promise.reject(nameUrl(thrown, source.url)),
    );
    return { ...read, encoded, artifact: { url: source.url, size, sha256, packed } };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The name of the file, without what archives end with. */
export function labelOf({ url }: ArtifactSource): string {
  const name = new URL(url).pathname.split('/').at(-1) ?? '';
  const text = name.replace(/\.(tar|tar\.gz|tgz)$/, '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** By its first bytes: a URL need not end as a file does. */
async function findPacking(file: string): Promise<Packing> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b ? 'gzip' : 'plain';
  } finally {
    await handle.close();
  }
}

function nameUrl(thrown: unknown, url: string): unknown {
  if (!(thrown instanceof FleetflipError)) return thrown;
  return new FleetflipError(
    thrown.failures.map(failure => ({ ...failure, what: `${showUrl(url)}: ${failure.what}` })),
    { cause: thrown },
  );
}
