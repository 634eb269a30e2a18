/** The command that makes an artifact of a release. It meets no host. */

import { relative, resolve } from 'node:path';
import type { Result } from '../domain/event.ts';
import { exitCode } from '../domain/report.ts';
import { loadRelease, type Packed, packRelease } from '../release/index.ts';

export interface PackOptions {
  /** The file that is written, and beside it FILE.id. Default: `release-` and the beginning of the id, `.tar.gz`. */
  readonly to?: string;
  /** For people. Default: what git describes. */
  readonly label?: string;
  /** What relative paths are relative to. Default: the working directory. */
  readonly cwd?: string;
  /** Ends it; its reason is thrown. */
  readonly signal?: AbortSignal;
}

export interface PackResult extends Result {
  readonly artifact: Packed;
}

/**
 * Writes a release as one .tar.gz file that hosts can fetch themselves: the same release always gives the same bytes.
 * @throws FleetflipError when the release is not usable or the file cannot be written
 */
export async function pack(source: string, options: PackOptions = {}): Promise<PackResult> {
  const { cwd = process.cwd(), label, signal } = options;
  const release = await loadRelease(source, { cwd, label, signal });
  try {
    const { id } = release;
    const to = options.to ?? `release-${id.slice('sha256:'.length, 'sha256:'.length + 12)}.tar.gz`;
    const packed = await packRelease(release, resolve(cwd, to));
    return {
      v: 1,
      time: new Date().toISOString(),
      kind: 'result',
      command: 'pack',
      outcome: 'done',
      exitCode: exitCode('done'),
      deployment: '',
      release: id,
      label: release.label,
      flip: { skewMs: null, errorMs: null },
      fleetSplit: false,
      hosts: [],
      errors: [],
      artifact: { ...packed, file: relative(cwd, packed.file) || packed.file },
    };
  } finally {
    await release.close();
  }
}
