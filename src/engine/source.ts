/** Which release a command means, read. */

import type { ArtifactSource } from '../domain/artifact.ts';
import { FleetflipError } from '../domain/error.ts';
import { loadRelease, type Release } from '../release/index.ts';
import type { Context } from './context.ts';

export interface Wanted {
  /** Null: the `source` of the inventory. */
  readonly named: string | null;
  readonly label: string | undefined;
  readonly cwd: string | undefined;
}

/** @throws FleetflipError `USAGE` when nobody names one; what `loadRelease` throws; the reason of an interrupt */
export function loadWanted(context: Context, { named, label, cwd = process.cwd() }: Wanted): Promise<Release> {
  return loadRelease(named ?? sourceOf(context), { cwd, label, signal: context.signal });
}

/** Bytes of the artifact that hosts can fetch and unpack themselves; null: there is none. */
export function sizeToPull({ artifact }: Release): number | null {
  return artifact === null || artifact.unfit !== null ? null : artifact.size;
}

/** Tells what is not as one might expect of the release. */
export function warnOf({ warnings, artifact }: Release, { emit }: Context): void {
  for (const what of warnings)
    emit({ kind: 'warning', code: 'RELEASE_MODE', what, hint: 'A release has plain modes only' });
  if (artifact === null || artifact.unfit === null) return;
  const what = `no host fetches this artifact itself: ${artifact.unfit}`;
  emit({
    kind: 'warning',
    code: 'NOT_PULLED',
    what,
    hint: 'It is sent to them; fleetflip pack makes one that they fetch',
  });
}

function sourceOf({ fleet }: Context): ArtifactSource {
  if (fleet.source !== undefined) return fleet.source;
  throw new FleetflipError({
    kind: 'refused',
    code: 'USAGE',
    phase: 'prepare',
    what: 'no release is named, and the inventory has no source',
    hint: 'Name a directory, a .tar, .tar.gz or .tgz file, a URL, or git:REF',
  });
}
