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
      'A release holds files, directories and links: leave it out with .fleetflipignore',
    ),
  unsafe: (path: ByteString): Failure =>
    refuseRelease(
      'RELEASE_UNSAFE_NAME',
      `${JSON.stringify(show(path))} is no name inside a release`,
      'Names are relative and have no .. in them',
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
  lfs: (path: ByteString): Failure =>
    refuseRelease(
      'RELEASE_LFS',
      `${show(path)} is a Git LFS pointer, not the file`,
      'Release from a checkout in which git lfs pull was run',
    ),
} as const;
