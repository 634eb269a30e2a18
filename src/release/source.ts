/** What a source gives: entries as they are found, and the content of each file. */

import type { ByteString } from '../domain/bytes.ts';

export type Found =
  | { readonly kind: 'file'; readonly path: ByteString; readonly mode: number; readonly content: Content }
  | { readonly kind: 'directory'; readonly path: ByteString }
  | { readonly kind: 'link'; readonly path: ByteString; readonly target: ByteString }
  | { readonly kind: 'special'; readonly path: ByteString; readonly what: string }
  | { readonly kind: 'submodule'; readonly path: ByteString };

/** Where a file's bytes are: a whole file, or a part of the spool. */
export interface Content {
  readonly file: Buffer | string;
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

export interface Source {
  readonly entries: readonly Found[];
  /** An archive that every tar unpacks into exactly these. */
  readonly plain?: boolean;
  /** Removes what was made for reading it. */
  close(): Promise<void>;
}

/** The entries and a directory for each parent that they do not name. Unsafe names imply nothing. */
export function withParents(found: readonly Found[]): readonly Found[] {
  const missing = new Set(found.filter(entry => isSafe(entry.path)).flatMap(entry => parentsOf(entry.path)));
  for (const { path } of found) missing.delete(path);
  return [...found, ...[...missing].map(path => ({ kind: 'directory', path }) as const)];
}

/** True for a relative path without empty parts, `.`, `..` and NUL. */
export function isSafe(path: ByteString): boolean {
  return !path.includes('\0') && path.split('/').every(part => part !== '' && part !== '.' && part !== '..');
}

/** The directories that a path is in, the topmost first. */
export function parentsOf(path: ByteString): readonly ByteString[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'));
}
