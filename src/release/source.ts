/** What a source gives: entries as they are found, and the content of each file. */

import type { ByteString } from '../domain/bytes.ts';

export type Found =
  | { readonly kind: 'file'; readonly path: ByteString; readonly mode: number; readonly content: Content }
  | { readonly kind: 'directory'; readonly path: ByteString }
  | { readonly kind: 'link'; readonly path: ByteString; readonly target: ByteString }
  | { readonly kind: 'special'; readonly path: ByteString; readonly what: string };

/** Where a file's bytes are: a whole file, or a part of the spool. */
export interface Content {
  readonly file: Buffer | string;
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

export interface Source {
  readonly entries: readonly Found[];
  /** Removes what was made for reading it. */
  close(): Promise<void>;
}
