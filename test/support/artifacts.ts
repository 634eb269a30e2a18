/** Artifacts of small releases at a server. */

import { randomBytes } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pack } from '../../src/index.ts';
import type { ArtifactServer } from './artifact-server.ts';
import type { LocalFleet } from './local-fleet.ts';

export interface MadeArtifact {
  readonly url: string;
  readonly file: string;
  readonly release: string;
  readonly size: number;
  readonly sha256: string;
}

/** Nothing makes it smaller, so that a download can be cut off in the middle. */
const LARGE = randomBytes(300_000);

/** Packs a release with a large file, a program, a link and a name that is hard to quote, and puts it at `/NAME.tar.gz`. */
export async function makeArtifact(local: LocalFleet, server: ArtifactServer, name: string): Promise<MadeArtifact> {
  const files = { 'index.html': name, 'lib/a b\n.txt': 'same', 'bin/run': 'echo', current: '-> lib' };
  const directory = await local.release(name, files);
  await writeFile(join(directory, 'large'), Buffer.concat([LARGE, Buffer.from(name)]));
  await chmod(join(directory, 'bin/run'), 0o755);
  const file = join(local.directory, `${name}.tar.gz`);
  const { release, artifact } = await pack(directory, { to: file });
  await server.put(`/${name}.tar.gz`, file);
  const { size, sha256 } = artifact;
  return { url: `${server.origin}/${name}.tar.gz`, file, release: release ?? '', size, sha256 };
}
