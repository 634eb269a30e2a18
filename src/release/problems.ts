/** Reasons to refuse a release, all found before any host is contacted. */

import { type ByteString, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError } from '../domain/error.ts';

export function refuseRelease(code: string, what: string, hint: string): Failure {
  return { kind: 'refused', code, phase: 'prepare', what, hint };
}

export function releaseError(code: string, what: string, hint: string): FleetflipError {
  return new FleetflipError(refuseRelease(code, what, hint));
}

export const REFUSALS = {
  special: (path: ByteString, kind: string): Failure =>
    refuseRelease(
      'RELEASE_SPECIAL_FILE',
      `${show(path)} is a ${kind}`,
      kind === 'sparse file'
        ? 'Make the archive without --sparse, or leave it out with .fleetflipignore'
        : 'A release holds files, directories and links: leave it out with .fleetflipignore',
    ),
  submodule: (path: ByteString): Failure =>
    refuseRelease(
      'RELEASE_SUBMODULE',
      `${show(path)} is a submodule, which git archive leaves empty`,
      'Release a directory or an archive that contains it, or leave it out with .fleetflipignore',
    ),
  unsafe: (path: ByteString): Failure =>
    refuseRelease(
      'RELEASE_UNSAFE_NAME',
      `"${show(path)}" is no name inside a release`,
      'Names are relative and have no .., no empty part and no NUL in them',
    ),
  escapes: (path: ByteString, target: ByteString): Failure =>
    refuseRelease(
      'RELEASE_LINK_ESCAPES',
      `the link ${show(path)} points to ${show(target)}, outside the release`,
      'Point it inside, or leave it out with .fleetflipignore',
    ),
  twice: (path: ByteString): Failure =>
    refuseRelease('RELEASE_DUPLICATE', `${show(path)} is in the release twice`, 'Each name may be there once'),
  changed: (path: ByteString): Failure =>
    refuseRelease(
      'RELEASE_CHANGED',
      `${show(path)} changed while it was read`,
      'Release from a tree that nobody writes to',
    ),
  unreadable: (path: ByteString, why: string): Failure =>
    refuseRelease(
      'RELEASE_UNREADABLE',
      `${path === '' ? 'the release' : show(path)} cannot be read: ${why}`,
      'Look at its permissions, or leave it out with .fleetflipignore',
    ),
  ignoreFile: (): Failure =>
    refuseRelease(
      'RELEASE_IGNORE_FILE',
      '.fleetflipignore is not a plain file, so its rules cannot be trusted',
      'Make it a plain file, or remove it',
    ),
  lfs: (path: ByteString): Failure =>
    refuseRelease(
      'RELEASE_LFS',
      `${show(path)} is a Git LFS pointer, not the file`,
      'Release from a checkout in which git lfs pull was run',
    ),
} as const;

const CHANGES = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO', 'ESTALE'];

/** What it means that a file of the release could not be read; null when it is no error of the system. */
export function explainRead(path: ByteString, thrown: unknown): Failure | null {
  const code = errorCode(thrown);
  if (code === null) return null;
  return CHANGES.includes(code) ? REFUSALS.changed(path) : REFUSALS.unreadable(path, code);
}

/** An error of the system about our own temporary file, in words; anything else as it is. */
export function explainSpool(thrown: unknown): unknown {
  const code = errorCode(thrown);
  if (code === null) return thrown;
  return new FleetflipError(
    refuseRelease(
      'RELEASE_SPOOL',
      `the temporary file could not be written: ${code}`,
      'Make room for the release in the temporary directory, or set TMPDIR',
    ),
    { cause: thrown },
  );
}

/** Such as `ENOENT`; null for what did not come from the system. */
export function errorCode(thrown: unknown): string | null {
  const isSystem = thrown instanceof Error && 'syscall' in thrown && 'code' in thrown;
  return isSystem && typeof thrown.code === 'string' ? thrown.code : null;
}
